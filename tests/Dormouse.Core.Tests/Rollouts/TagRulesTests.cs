using Dormouse.Core.Endpoints;
using Dormouse.Core.Rollouts;

namespace Dormouse.Core.Tests.Rollouts;

public sealed class TagRulesTests
{
    private static readonly DateTimeOffset Now = DateTimeOffset.UnixEpoch.AddDays(20_000);

    private static readonly Endpoint Plain = new()
    {
        Tenant = TenantId.Default,
        Id = new EndpointId(Guid.Empty),
        Name = "digits",
        Traffic = [new(1, 100)],
        CreatedAt = Now,
    };

    [Theory]
    [InlineData("stable")]
    [InlineData("v2")]
    [InlineData("r")]
    [InlineData("r3-old")]
    [InlineData("3rd")]
    public void A_label_that_is_no_revision_may_be_a_tag(string name) => Assert.Null(TagRules.Refusal(name));

    [Theory]
    [InlineData("r3", "reads like a revision")]
    [InlineData("3", "reads like a revision")]
    [InlineData("r007", "reads like a revision")]
    [InlineData("Stable", "only a-z, 0-9 and '-'")]
    [InlineData("a=b", "only a-z, 0-9 and '-'")]
    [InlineData("-a", "may not begin or end with '-'")]
    [InlineData("", "missing")]
    [InlineData(null, "missing")]
    public void Other_names_are_refused_with_what_is_allowed(string? name, string part) =>
        Assert.Contains(part, TagRules.Refusal(name), StringComparison.Ordinal);

    [Fact]
    public void An_address_names_a_revision_by_number_by_name_or_by_tag()
    {
        var endpoint = TagRules.Set(Plain, "stable", 2);

        Assert.Equal([3, 3, 2, null, null, null], new[] { "3", "r3", "stable", "beta", "0", "r0" }.Select(name => TagRules.Revision(endpoint, name)));
    }

    [Fact]
    public void A_tag_moves_as_a_whole_and_the_tags_stay_in_order()
    {
        var both = TagRules.Set(TagRules.Set(Plain, "stable", 1), "beta", 2);
        var moved = TagRules.Set(both, "stable", 3);

        Assert.Equal([new("beta", 2), new("stable", 1)], both.Tags);
        Assert.Equal([new("beta", 2), new("stable", 3)], moved.Tags);
        Assert.Equal([new("stable", 3)], TagRules.Delete(moved, "beta").Tags);
        Assert.Same(moved, TagRules.Delete(moved, "none"));
        Assert.Same(moved, TagRules.Set(moved, "stable", 3));
    }

    [Fact]
    public void An_endpoint_has_a_hundred_tags_at_most_and_those_it_has_may_still_move()
    {
        var full = Enumerable.Range(0, TagRules.TagsMax).Aggregate(Plain, (endpoint, i) => TagRules.Set(endpoint, $"t{i}", 1));

        Assert.Contains("allowed are 100", TagRules.Full(full, "one-more"), StringComparison.Ordinal);
        Assert.Null(TagRules.Full(full, "t7"));
        Assert.Null(TagRules.Full(null, "first"));
    }

    [Fact]
    public void A_ready_revision_takes_its_tag_with_its_traffic()
    {
        var after = new Debut("stable", TakesTraffic: true).Completed(Plain, 2, RevisionState.Ready, serves: true, Now);

        Assert.Equal([new(2, 100)], after.Traffic);
        Assert.Equal([new("stable", 2)], after.Tags);
    }

    [Fact]
    public void Without_traffic_it_takes_the_tag_alone()
    {
        var after = new Debut("beta", TakesTraffic: false).Completed(Plain, 2, RevisionState.Ready, serves: true, Now);

        Assert.Equal([new(1, 100)], after.Traffic);
        Assert.Equal([new("beta", 2)], after.Tags);
    }

    [Fact]
    public void A_refused_revision_leaves_the_tag_where_it_was()
    {
        var endpoint = TagRules.Set(Plain, "stable", 1);

        Assert.Same(endpoint, new Debut("stable", TakesTraffic: true).Completed(endpoint, 2, RevisionState.Failed, serves: true, Now));
    }

    [Fact]
    public void A_slower_older_deploy_does_not_take_a_tag_from_a_newer_one()
    {
        var endpoint = TagRules.Set(Plain with { Traffic = [new(3, 100)] }, "beta", 3);

        Assert.Equal([new("beta", 3)], new Debut("beta", TakesTraffic: true).Completed(endpoint, 2, RevisionState.Ready, serves: true, Now).Tags);
    }
}
