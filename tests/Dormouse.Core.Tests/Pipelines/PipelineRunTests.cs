using System.Text;
using System.Text.Json;
using CsCheck;
using Dormouse.Core.Pipelines;

namespace Dormouse.Core.Tests.Pipelines;

public sealed class PipelineRunTests
{
    private static readonly Dictionary<string, CallOutcome> Nothing = [];

    [Fact]
    public void A_step_gets_the_output_of_the_one_before_it_as_it_is_and_the_last_answers()
    {
        var run = Run("""{"steps": {"a": {"endpoint": "e"}, "b": {"endpoint": "e", "after": "a"}}}""", "hello", "text/plain");

        var a = Assert.Single(run.Begin());
        Assert.Equal(("a", "hello", "text/plain"), (a.Key, Text(a.Input), a.Input.ContentType));
        Assert.Empty(run.Begin());
        run.Ended(a, Output("picture", "image/png"));
        var b = Assert.Single(run.Begin());
        Assert.Equal(("b", "picture", "image/png"), (b.Key, Text(b.Input), b.Input.ContentType));
        Assert.Null(run.End);
        run.Ended(b, Output("done", "text/plain"));

        Assert.Equal("done", Text(Assert.IsType<PipelineEnd.Answered>(run.End).Answer));
    }

    [Fact]
    public void Templates_see_the_input_and_what_ended_before()
    {
        var run = Run(
            """
            {"steps": {"a": {"endpoint": "e", "input": {"n": "$.input.n", "run": "$.run.id"}}, "b": {"endpoint": "e", "input": ["$.steps.a.output.x", "$.steps.a.state", "$.steps.a.output.none", "$$.x"]}},
             "output": {"b": "$.steps.b.output", "n": "$.input.n"}}
            """,
            """{"n": 7}""");

        var a = Assert.Single(run.Begin());
        Assert.Equal("""{"n":7,"run":"the-run"}""", Text(a.Input));
        run.Ended(a, Output("""{"x": [1]}"""));
        var b = Assert.Single(run.Begin());
        Assert.Equal("""[[1],"succeeded",null,"$.x"]""", Text(b.Input));
        run.Ended(b, Output("plain", "text/plain"));

        Assert.Equal("""{"b":"plain","n":7}""", Text(Assert.IsType<PipelineEnd.Answered>(run.End).Answer));
    }

    [Fact]
    public void A_skipped_step_skips_what_follows_it_unless_any_of_several_is_enough()
    {
        const string Pipeline = """
            {"steps": {
              "first": {"endpoint": "e"},
              "big": {"endpoint": "e", "when": {"steps": {"first": {"output": {"n": [{"numeric": [">", 5]}]}}}}},
              "small": {"endpoint": "e", "when": {"steps": {"first": {"output": {"n": [{"numeric": ["<=", 5]}]}}}}},
              "after-big": {"endpoint": "e", "after": "big"},
              "both": {"endpoint": "e", "after": ["after-big", "small"]},
              "either": {"endpoint": "e", "after": ["after-big", "small"], "join": "any"}}}
            """;
        var calls = Play(Run(Pipeline, "1"), c => c.Key == "first" ? Output("""{"n": 3}""") : Output("\"" + c.Key + "\""), out var end);

        Assert.Equal(["first", "small", "either"], calls.Select(c => c.Key));
        Assert.Equal("""{"after-big":null,"small":"small"}""", Text(calls[2].Input));
        Assert.Equal("""{"both":null,"either":"either"}""", Text(Assert.IsType<PipelineEnd.Answered>(end).Answer));
    }

    [Fact]
    public void A_map_calls_once_for_each_item_within_its_bound_and_keeps_their_order()
    {
        var run = Run("""{"steps": {"m": {"endpoint": "e", "map": "$.input.l", "at_once": 2, "input": {"i": "$.item", "n": "$.index"}}}}""", """{"l": ["a", "b", "c"]}""");

        var first = run.Begin();
        Assert.Equal(["m[0]", "m[1]"], first.Select(c => c.Key));
        Assert.Equal("""{"i":"b","n":1}""", Text(first[1].Input));
        Assert.Empty(run.Begin());
        run.Ended(first[1], Output("\"B\""));
        var third = Assert.Single(run.Begin());
        run.Ended(third, Output("\"C\""));
        run.Ended(first[0], Output("\"A\""));

        Assert.Equal("""["A","B","C"]""", Text(Assert.IsType<PipelineEnd.Answered>(run.End).Answer));
    }

    [Fact]
    public void An_empty_list_makes_no_call()
    {
        var run = Run("""{"steps": {"m": {"endpoint": "e", "map": "$.input"}, "after": {"endpoint": "e", "after": "m"}}}""", "[]");

        Assert.Equal("[]", Text(Assert.Single(run.Begin()).Input));
    }

    [Theory]
    [InlineData("""{"l": 3}""", "$.input.l is a number; 'map' needs a list")]
    [InlineData("{}", "$.input.l is null, or not there; 'map' needs a list")]
    public void What_is_no_list_cannot_be_mapped(string input, string why)
    {
        var run = Run("""{"steps": {"m": {"endpoint": "e", "map": "$.input.l"}}}""", input);

        Assert.Empty(run.Begin());
        var failed = Assert.IsType<PipelineEnd.Failed>(run.End);
        Assert.Equal(("m", 422, why), (failed.Key, failed.Fault.Status, failed.Fault.Detail));
    }

    [Fact]
    public void A_failing_step_ends_the_run_when_what_runs_beside_it_has_ended()
    {
        var run = Run("""{"steps": {"a": {"endpoint": "e"}, "b": {"endpoint": "e"}, "c": {"endpoint": "e", "after": "b"}}}""", "1");
        var calls = run.Begin();

        run.Ended(calls[0], Fault(503));
        Assert.True(run.IsFailing);
        Assert.Null(run.End);
        run.Ended(calls[1], Output("2"));
        Assert.Empty(run.Begin());

        Assert.Equal("a", Assert.IsType<PipelineEnd.Failed>(run.End).Key);
    }

    [Fact]
    public void A_step_that_may_fail_leaves_its_error_for_the_others()
    {
        const string Pipeline = """
            {"steps": {
              "a": {"endpoint": "e", "on_error": "continue"},
              "m": {"endpoint": "e", "map": "$.input", "on_error": "continue"},
              "plan-b": {"endpoint": "e", "when": {"steps": {"a": {"state": ["failed"]}}}}},
             "output": {"why": "$.steps.a.error", "m": "$.steps.m.output", "errors": "$.steps.m.errors", "b": "$.steps.plan-b.output"}}
            """;
        Play(Run(Pipeline, "[1, 2]"), c => c.Key is "a" or "m[1]" ? Fault(500) : Output(Text(c.Input)), out var end);

        Assert.Equal(
            """{"why":{"status":500,"detail":"no"},"m":[1,null],"errors":[{"index":1,"status":500,"detail":"no"}],"b":null}""",
            Text(Assert.IsType<PipelineEnd.Answered>(end).Answer));
    }

    [Fact]
    public void Any_graph_runs_each_call_once_behind_what_it_waits_for_and_goes_on_anywhere_with_the_same_end() => Graphs.Sample(
        (json, seed) =>
        {
            var definition = PipelineReaderTests.Read(json);
            var random = new Random(seed);
            var whole = Watch(definition, Nothing, random, int.MaxValue, out var end);
            Assert.NotNull(end);

            // Lost after any number of stored outcomes, as a server that was killed.
            var kept = Watch(definition, Nothing, random, random.Next(whole.Count + 1), out _);
            var rest = Watch(definition, kept, random, int.MaxValue, out var again);
            Assert.Equal(Shown(end), Shown(again));
            Assert.Empty(rest.Keys.Intersect(kept.Keys));
            Assert.Equal(whole.Keys.Order(), rest.Keys.Concat(kept.Keys).Order());
        },
        iter: 300);

    /// <summary>Steps that wait for random earlier ones, some mapped over two items, some on a condition that holds for about half, some that may fail.</summary>
    private static readonly Gen<(string Json, int Seed)> Graphs = Gen.Select(Gen.Int[1, 12], Gen.Int[0, int.MaxValue - 1], (count, seed) =>
    {
        var random = new Random(seed);
        var steps = Enumerable.Range(0, count).Select(i =>
        {
            var after = Enumerable.Range(0, i).Where(_ => random.Next(3) == 0).Select(n => $"\"s{n}\"").ToList();
            var when = random.Next(4) == 0 && i > 0 ? $",\"when\":{{\"steps\":{{\"s{random.Next(i)}\":{{\"output\":[{{\"exists\":{(random.Next(2) == 0 ? "true" : "false")}}}]}}}}}}" : "";
            var map = random.Next(3) == 0 ? ""","map":"$.input","at_once":""" + random.Next(1, 4) : "";
            return $$"""
                "s{{i}}":{"endpoint":"e","after":[{{string.Join(',', after)}}],"join":"{{(random.Next(2) == 0 ? "all" : "any")}}","on_error":"continue"{{when}}{{map}}}
                """;
        });
        return ("{\"steps\":{" + string.Join(',', steps) + "}}", seed);
    });

    /// <summary>Plays a run in random order and checks the promises by plain books. Returns the outcomes of its calls.</summary>
    private static Dictionary<string, CallOutcome> Watch(PipelineDefinition definition, Dictionary<string, CallOutcome> stored, Random random, int callsMax, out PipelineEnd? end)
    {
        var run = new PipelineRun(definition, new StepData("[1,2]"u8.ToArray(), PipelineRun.Json), "the-run", stored);
        var (outcomes, running, begun) = (new Dictionary<string, CallOutcome>(), new List<PipelineCall>(), new List<PipelineCall>());
        while (outcomes.Count < callsMax)
        {
            foreach (var call in run.Begin())
            {
                Assert.DoesNotContain(begun, b => b.Key == call.Key);
                Assert.DoesNotContain(running, r => call.Step.After.Contains(r.Step.Name));
                begun.Add(call);
                running.Add(call);
            }

            Assert.Equal(running.Count, run.Running);
            Assert.True(running.Count <= PipelineLimits.CallsAtOnceMax);
            Assert.All(running.GroupBy(r => r.Step.Name), g => Assert.True(g.Count() <= (g.First().Step.Map is null ? 1 : g.First().Step.AtOnce)));
            if (running.Count == 0)
            {
                Assert.NotNull(run.End);
                break;
            }

            var ended = running[random.Next(running.Count)];
            running.Remove(ended);
            // What a call gives follows from what it is.
            var outcome = ended.Key.Sum(c => c) % 5 == 0 ? Fault(500) : Output(JsonSerializer.Serialize(ended.Key + Text(ended.Input)));
            outcomes.Add(ended.Key, outcome);
            run.Ended(ended, outcome);
        }

        end = run.End;
        return outcomes;
    }

    private static List<PipelineCall> Play(PipelineRun run, Func<PipelineCall, CallOutcome> answer, out PipelineEnd? end)
    {
        var calls = new List<PipelineCall>();
        while (run.Begin() is { IsEmpty: false } next)
        {
            calls.AddRange(next);
            foreach (var call in next)
            {
                run.Ended(call, answer(call));
            }
        }

        end = run.End;
        return calls;
    }

    private static PipelineRun Run(string json, string input, string type = PipelineRun.Json) =>
        new(PipelineReaderTests.Read(json), new StepData(Encoding.UTF8.GetBytes(input), type), "the-run", Nothing);

    private static CallOutcome Output(string text, string type = PipelineRun.Json) => CallOutcome.Of(new StepData(Encoding.UTF8.GetBytes(text), type));

    private static CallOutcome Fault(int status) => CallOutcome.Of(new CallFault(status, "no", IsRetryable: true));

    private static string Text(StepData data) => Encoding.UTF8.GetString(data.Body.Span);

    private static string Shown(PipelineEnd? end) => end switch
    {
        PipelineEnd.Answered answered => Text(answered.Answer),
        PipelineEnd.Failed failed => failed.Key + ": " + failed.Fault.Detail,
        _ => "none",
    };
}
