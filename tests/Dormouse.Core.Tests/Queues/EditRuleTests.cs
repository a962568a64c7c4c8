using Dormouse.Core.Endpoints;
using Dormouse.Core.Queues;

namespace Dormouse.Core.Tests.Queues;

public sealed class EditRuleTests
{
    private static readonly RequestEdit NewBody = new() { Body = new byte[] { 1, 2 } };

    [Theory]
    [InlineData(QueueState.Queued, "has not ended")]
    [InlineData(QueueState.Leased, "has not ended")]
    [InlineData(QueueState.Succeeded, "has succeeded")]
    [InlineData(QueueState.Failed, null)]
    [InlineData(QueueState.Dead, null)]
    [InlineData(QueueState.Cancelled, null)]
    [InlineData(QueueState.Expired, null)]
    public void Only_what_has_ended_without_success_is_changed(QueueState state, string? why)
    {
        var outcome = EditRule.Apply(Item() with { State = state }, NewBody, 0);

        Assert.Equal(why is null, outcome is EditOutcome.Edited);
        Assert.Contains(why ?? "", (outcome as EditOutcome.Refused)?.Why ?? "", StringComparison.Ordinal);
    }

    [Fact]
    public void With_the_body_go_the_headers_that_described_its_bytes()
    {
        var edited = Edited(Item(("Content-Type", "text/plain"), ("content-encoding", "gzip"), ("Inference-Header-Content-Length", "7"), ("X", "1")), NewBody);

        Assert.Equal(2, edited.BodyBytes);
        Assert.Equal(["Content-Type: text/plain", "X: 1"], Headers(edited));
    }

    [Fact]
    public void Headers_are_replaced_whatever_their_case_and_the_others_keep_their_order()
    {
        var edited = Edited(
            Item(("a", "1"), ("B", "2"), ("c", "3"), ("C", "4")),
            new RequestEdit { SetHeaders = [KeyValuePair.Create("b", "5"), KeyValuePair.Create("d", "6")], RemovedHeaders = ["C"] });

        Assert.Equal(["a: 1", "b: 5", "d: 6"], Headers(edited));
        Assert.Equal(10, edited.BodyBytes);
    }

    [Theory]
    [InlineData("/a?b=c", "d=e", "/a?d=e")]
    [InlineData("/a", "d=e", "/a?d=e")]
    [InlineData("/a?b=c", "", "/a")]
    public void The_query_stands_behind_the_path(string target, string query, string expected)
    {
        var item = Item();

        Assert.Equal(expected, Edited(item with { Request = item.Request with { Target = target } }, new RequestEdit { Query = query }).Request.Target);
    }

    [Fact]
    public void What_changes_nothing_or_too_often_or_cannot_be_is_refused()
    {
        var item = Item();
        var inference = item with { Request = item.Request with { Target = null } };

        Assert.Contains("Nothing", Assert.IsType<EditOutcome.Refused>(EditRule.Apply(item, new RequestEdit(), 0)).Why, StringComparison.Ordinal);
        Assert.Contains("10 times", Assert.IsType<EditOutcome.Refused>(EditRule.Apply(item, NewBody, QueueLimits.EditsMax)).Why, StringComparison.Ordinal);
        Assert.Contains("no query", Assert.IsType<EditOutcome.Refused>(EditRule.Apply(inference, new RequestEdit { Query = "a=b" }, 0)).Why, StringComparison.Ordinal);
        Assert.IsType<EditOutcome.Edited>(EditRule.Apply(item, NewBody, QueueLimits.EditsMax - 1));
    }

    private static QueueItem Edited(QueueItem item, RequestEdit edit) => Assert.IsType<EditOutcome.Edited>(EditRule.Apply(item, edit, 0)).Item;

    private static IEnumerable<string> Headers(QueueItem item) => item.Request.Headers.Select(h => $"{h.Key}: {h.Value}");

    private static QueueItem Item(params (string Name, string Value)[] headers) => new()
    {
        Id = new InvocationId(new Guid(1, 0, 0, new byte[8])),
        Tenant = TenantId.Default,
        Endpoint = new EndpointId(new Guid(2, 0, 0, new byte[8])),
        Request = new QueuedRequest("POST", "/a", null, [.. headers.Select(h => KeyValuePair.Create(h.Name, h.Value))]),
        BodyBytes = 10,
        AcceptedAt = DateTimeOffset.UnixEpoch,
        NotBefore = DateTimeOffset.UnixEpoch,
        ExpiresAt = DateTimeOffset.UnixEpoch.AddDays(1),
        AttemptsMax = 3,
        Attempts = 3,
        State = QueueState.Dead,
        EndedAt = DateTimeOffset.UnixEpoch,
    };
}
