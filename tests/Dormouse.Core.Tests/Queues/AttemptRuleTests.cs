using CsCheck;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Queues;

namespace Dormouse.Core.Tests.Queues;

public sealed class AttemptRuleTests
{
    private static readonly DateTimeOffset Now = new(2026, 3, 4, 12, 0, 0, TimeSpan.Zero);

    [Theory]
    [InlineData(200, QueueState.Succeeded)]
    [InlineData(204, QueueState.Succeeded)]
    [InlineData(302, QueueState.Succeeded)]
    [InlineData(400, QueueState.Failed)]
    [InlineData(404, QueueState.Failed)]
    [InlineData(422, QueueState.Failed)]
    [InlineData(499, QueueState.Failed)]
    public void An_answer_that_another_attempt_would_not_change_is_kept(int status, QueueState state)
    {
        var verdict = Assert.IsType<QueueVerdict.Finished>(AttemptRule.Judge(Item(1, 3), Answered(status), Now, 0.5));

        Assert.Equal((state, status), (verdict.State, verdict.Answer?.Status));
        Assert.Equal(state == QueueState.Succeeded, verdict.Reason is null);
    }

    [Theory]
    [InlineData(408)]
    [InlineData(425)]
    [InlineData(429)]
    [InlineData(500)]
    [InlineData(503)]
    [InlineData(599)]
    public void An_answer_that_may_be_another_one_is_tried_again_until_the_attempts_are_used_up(int status)
    {
        var again = Assert.IsType<QueueVerdict.Again>(AttemptRule.Judge(Item(2, 3), Answered(status), Now, 0.5));
        var dead = Assert.IsType<QueueVerdict.Finished>(AttemptRule.Judge(Item(3, 3), Answered(status), Now, 0.5));

        Assert.Equal((Now.AddSeconds(1), true), (again.NotBefore, again.Counts));
        Assert.Equal((QueueState.Dead, status), (dead.State, dead.Answer?.Status));
        Assert.Equal($"the instance answered {status} (attempt 3 of 3)", dead.Reason);
    }

    [Fact]
    public void What_found_no_slot_goes_back_and_keeps_its_attempts_however_often()
    {
        var verdict = Assert.IsType<QueueVerdict.Again>(AttemptRule.Judge(Item(3, 3), Unanswered(503, isRetryable: true, hasBegun: false, 4), Now, 0.25));

        Assert.Equal((Now.AddSeconds(5), false), (verdict.NotBefore, verdict.Counts));
        Assert.Equal(2, Item(3, 3).After(verdict, Now).Attempts);
    }

    [Theory]
    [InlineData(404, false, QueueState.Failed)]
    [InlineData(502, false, QueueState.Dead)]
    [InlineData(502, true, QueueState.Dead)]
    public void A_problem_at_the_end_is_a_dead_letter_unless_it_is_the_callers(int status, bool isRetryable, QueueState state)
    {
        var verdict = Assert.IsType<QueueVerdict.Finished>(AttemptRule.Judge(Item(3, 3), Unanswered(status, isRetryable, hasBegun: true, null), Now, 0));

        Assert.Equal(state, verdict.State);
        Assert.StartsWith("code: why", verdict.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void Pauses_lie_between_nothing_and_a_bound_that_doubles_up_to_five_minutes()
    {
        Gen.Select(Gen.Int[1, 25], Gen.Double[0, 0.999999]).Sample((attempts, random) =>
        {
            var bound = Math.Min(300, Math.Pow(2, attempts - 1));
            var delay = AttemptRule.Delay(attempts, random).TotalSeconds;
            Assert.InRange(delay, 0, bound);
            Assert.Equal(bound * random, delay, 0.001);
        });
    }

    [Fact]
    public void A_lost_lease_is_another_attempt_at_once_and_the_last_one_a_dead_letter()
    {
        var again = Item(2, 3).LeaseLost(Now);
        var dead = Item(3, 3).LeaseLost(Now);

        Assert.Equal((QueueState.Queued, Now, 2, null), (again.State, again.NotBefore, again.Attempts, again.Owner));
        Assert.Equal((QueueState.Dead, Now), (dead.State, dead.EndedAt));
        Assert.StartsWith("server_lost", dead.Reason, StringComparison.Ordinal);
    }

    private static QueueItem Item(int attempts, int attemptsMax) => new QueueItem
    {
        Id = new InvocationId(Guid.Empty),
        Tenant = TenantId.Default,
        Endpoint = new EndpointId(Guid.Empty),
        Request = new QueuedRequest("POST", null, null, []),
        AcceptedAt = Now,
        NotBefore = Now,
        ExpiresAt = Now.AddHours(1),
        AttemptsMax = attemptsMax,
        Attempts = attempts - 1,
    }.Taken(Guid.Empty, Now.AddMinutes(1));

    private static AttemptResult.Answered Answered(int status) => new(new StoredAnswer(status, [], default));

    private static AttemptResult.Unanswered Unanswered(int status, bool isRetryable, bool hasBegun, int? retrySeconds) => new(
        new StoredAnswer(status, [], default), isRetryable, hasBegun, retrySeconds is { } seconds ? TimeSpan.FromSeconds(seconds) : null, "code: why");
}
