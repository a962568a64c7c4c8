using Dormouse.Core.Destinations;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Queues;

namespace Dormouse.Core.Tests.Destinations;

public sealed class DeliveryRuleTests
{
    private static readonly DateTimeOffset Now = new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);

    [Theory]
    [InlineData(200)]
    [InlineData(202)]
    [InlineData(299)]
    public void A_2xx_is_done(int status) =>
        Assert.Equal(new DeliveryVerdict.Delivered(status), DeliveryRule.Judge(3, new DeliveryResult.Answered(status, null), Now, 0.5));

    [Fact]
    public void A_410_ends_it_and_the_use_of_its_destination()
    {
        var verdict = Assert.IsType<DeliveryVerdict.Dead>(DeliveryRule.Judge(1, new DeliveryResult.Answered(410, null), Now, 0.5));

        Assert.True(verdict.Disables);
    }

    [Theory]
    [InlineData(302)]
    [InlineData(400)]
    [InlineData(404)]
    [InlineData(500)]
    public void Everything_else_is_tried_again_by_the_schedule(int status)
    {
        for (var attempt = 1; attempt <= DeliveryRule.Schedule.Length; attempt++)
        {
            var pause = DeliveryRule.Schedule[attempt - 1];

            Assert.Equal(Now + pause, Again(attempt, status, null, 0).NotBefore);
            Assert.Equal(Now + (pause * 1.1), Again(attempt, status, null, 0.5).NotBefore);
        }

        var last = Assert.IsType<DeliveryVerdict.Dead>(DeliveryRule.Judge(10, new DeliveryResult.Answered(status, null), Now, 0));
        Assert.EndsWith("(attempt 10 of 10)", last.Reason, StringComparison.Ordinal);
        Assert.False(last.Disables);
    }

    [Theory]
    [InlineData(429, 600, 600)]
    [InlineData(503, 600, 600)]
    [InlineData(503, 1, 5)]
    [InlineData(503, 1_000_000, 86_400)]
    [InlineData(400, 600, 5)]
    public void A_retry_after_of_a_busy_destination_is_honoured_within_a_day(int status, int retryAfterSeconds, int expectedSeconds) =>
        Assert.Equal(Now.AddSeconds(expectedSeconds), Again(1, status, TimeSpan.FromSeconds(retryAfterSeconds), 0).NotBefore);

    [Fact]
    public void What_cannot_get_there_is_dead_at_once() =>
        Assert.Equal(new DeliveryVerdict.Dead(null, "why"), DeliveryRule.Judge(1, new DeliveryResult.Impossible("why"), Now, 0));

    [Theory]
    [InlineData(QueueState.Succeeded, null, null, "s")]
    [InlineData(QueueState.Failed, null, null, "f")]
    [InlineData(QueueState.Dead, null, null, "f")]
    [InlineData(QueueState.Expired, null, null, "f")]
    [InlineData(QueueState.Cancelled, "x", "y", null)]
    [InlineData(QueueState.Succeeded, "x", "y", "x")]
    [InlineData(QueueState.Dead, "x", "y", "y")]
    [InlineData(QueueState.Dead, "x", null, "f")]
    [InlineData(QueueState.Succeeded, "none", null, null)]
    public void What_the_caller_said_goes_before_what_the_endpoint_says(QueueState state, string? onSuccess, string? onFailure, string? expected)
    {
        var item = new QueueItem
        {
            Id = new InvocationId(new Guid(1, 0, 0, new byte[8])),
            Tenant = TenantId.Default,
            Endpoint = new EndpointId(new Guid(2, 0, 0, new byte[8])),
            Request = new QueuedRequest("POST", null, null, []),
            AcceptedAt = Now,
            NotBefore = Now,
            ExpiresAt = Now.AddHours(1),
            AttemptsMax = 3,
            State = state,
            OnSuccess = onSuccess,
            OnFailure = onFailure,
        };

        Assert.Equal(expected, Delivery.TargetOf(item, new DestinationUse("s", "f")));
    }

    [Theory]
    [InlineData("orders", true)]
    [InlineData("endpoint:digits", true)]
    [InlineData("none", true)]
    [InlineData("endpoint:", false)]
    [InlineData("endpoint:models", false)]
    [InlineData("Orders", false)]
    [InlineData("", false)]
    public void A_reference_names_a_destination_or_an_endpoint(string reference, bool isAllowed) => Assert.Equal(isAllowed, Destination.ReferenceRefusal(reference) is null);

    private static DeliveryVerdict.Again Again(int attempts, int status, TimeSpan? retryAfter, double random) =>
        Assert.IsType<DeliveryVerdict.Again>(DeliveryRule.Judge(attempts, new DeliveryResult.Answered(status, retryAfter), Now, random));
}
