using Dormouse.Core.Pipelines;

namespace Dormouse.Core.Tests.Pipelines;

public sealed class PipelineReaderTests
{
    [Fact]
    public void Steps_stand_behind_those_that_they_name_or_mention()
    {
        var pipeline = Read("""
            {
              "steps": {
                "join": {"endpoint": "e", "input": {"a": "$.steps.left.output", "b": ["$.steps.right.output.x"]}},
                "left": {"endpoint": "e", "when": {"steps": {"first": {"output": {"score": [{"numeric": [">", 0.5]}]}}}}},
                "right": {"endpoint": "e", "map": "$.steps.first.output.items", "at_once": 3},
                "first": {"endpoint": "other"},
                "last": {"endpoint": "e", "after": "join", "join": "any", "retry": {"attempts": 3, "delay": "2s"}, "timeout": "5s", "on_error": "continue", "revision": "r3", "path": "/x?y=1"}
              },
              "output": {"all": "$.steps.join.output"}
            }
            """);

        Assert.Equal(["first", "left", "right", "join", "last"], pipeline.Steps.Select(s => s.Name));
        Assert.Equal(["left", "right"], pipeline.Find("join")!.After);
        Assert.Equal(["last"], pipeline.Last);
        Assert.Equal(["other", "e"], pipeline.Endpoints);
        var last = pipeline.Find("last")!;
        Assert.Equal((3, TimeSpan.FromSeconds(2), TimeSpan.FromSeconds(5), StepFailure.Continue, StepJoin.Any, "r3", "/x?y=1"), (last.Retry.Attempts, last.Retry.Delay, last.Timeout!.Value, last.OnError, last.Join, last.Revision, last.Path));
        Assert.Equal(3, pipeline.Find("right")!.AtOnce);
        Assert.Equal(pipeline, PipelineDefinition.Stored(pipeline.Text));
    }

    [Theory]
    [InlineData("[]", "must be an object")]
    [InlineData("{", "pipeline is no JSON (line 1, byte 2).")]
    [InlineData("""{"steps": {}}""", "pipeline.steps has 0 steps; allowed are 1 to 64.")]
    [InlineData("""{"stages": {}, "steps": {"a": {"endpoint": "e"}}}""", "pipeline has 'stages'; allowed are steps and output.")]
    [InlineData("""{"steps": {"A b": {"endpoint": "e"}}}""", "may hold only a-z, 0-9 and '-'")]
    [InlineData("""{"steps": {"a": {}}}""", "pipeline.steps.a.endpoint is missing")]
    [InlineData("""{"steps": {"a": {"endpoint": "e", "afer": "b"}}}""", "pipeline.steps.a has 'afer'; allowed are endpoint,")]
    [InlineData("""{"steps": {"a": {"endpoint": "e", "after": "b"}}}""", "pipeline.steps.a names step 'b', which there is not; there are a.")]
    [InlineData("""{"steps": {"a": {"endpoint": "e"}}, "output": "$.steps.b.output"}""", "pipeline.output names step 'b'")]
    [InlineData("""{"steps": {"a": {"endpoint": "e", "input": "$.setps.b"}}}""", "'$.setps.b' leads nowhere; paths begin with $.input")]
    [InlineData("""{"steps": {"a": {"endpoint": "e", "input": "$.item"}}}""", "'$.item' is of a step with 'map' only")]
    [InlineData("""{"steps": {"a": {"endpoint": "e", "map": ["$.input"]}}}""", "allowed is the path of a list")]
    [InlineData("""{"steps": {"a": {"endpoint": "e", "at_once": 2}}}""", "at_once means nothing without 'map'")]
    [InlineData("""{"steps": {"a": {"endpoint": "e", "map": "$.input", "at_once": 17}}}""", "pipeline.steps.a.at_once is 17; allowed is a whole number from 1 to 16.")]
    [InlineData("""{"steps": {"a": {"endpoint": "e", "retry": {"attempts": 11}}}}""", "pipeline.steps.a.retry.attempts is 11; allowed is a whole number from 1 to 10.")]
    [InlineData("""{"steps": {"a": {"endpoint": "e", "timeout": "soon"}}}""", "pipeline.steps.a.timeout is")]
    [InlineData("""{"steps": {"a": {"endpoint": "e", "on_error": "ignore"}}}""", "allowed are 'fail' and 'continue'")]
    [InlineData("""{"steps": {"a": {"endpoint": "e", "join": "some"}}}""", "allowed are 'all' and 'any'")]
    [InlineData("""{"steps": {"a": {"endpoint": "e", "path": "x"}}}""", "allowed is a path that begins with '/'")]
    [InlineData("""{"steps": {"a": {"endpoint": "e", "when": {"item": [1]}}}}""", "pipeline.steps.a.when has 'item'")]
    [InlineData("""{"steps": {"a": {"endpoint": "e", "after": "b"}, "b": {"endpoint": "e", "input": "$.steps.a.output"}}}""", "pipeline.steps has a cycle: 'a' waits for 'b' waits for 'a'.")]
    [InlineData("""{"steps": {"a": {"endpoint": "e", "after": "a"}}}""", "has a cycle: 'a' waits for 'a'")]
    [InlineData("""{"steps": {"a": {"endpoint": "e"}, "a": {"endpoint": "e"}}}""", "has 'a' twice")]
    public void What_is_no_pipeline_is_refused_with_what_is_allowed(string json, string part)
    {
        Assert.Null(PipelineReader.Read(json, out var faults));
        Assert.Contains(faults, f => f.Contains(part, StringComparison.Ordinal));
    }

    [Fact]
    public void All_faults_are_told_at_once()
    {
        Assert.Null(PipelineReader.Read("""{"x": 1, "steps": {"a": {"endpoint": "E", "join": 1}, "b": {"after": "c"}}}""", out var faults));
        Assert.Equal(5, faults.Length);
    }

    internal static PipelineDefinition Read(string json)
    {
        var definition = PipelineReader.Read(json, out var faults);
        Assert.Empty(faults);
        return definition!;
    }
}
