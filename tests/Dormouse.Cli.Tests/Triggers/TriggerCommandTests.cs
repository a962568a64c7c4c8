using Dormouse.Cli.Terminal;
using Dormouse.Protocol.Control;

namespace Dormouse.Cli.Tests.Triggers;

public sealed class TriggerCommandTests : ServerTests
{
    [Fact]
    public async Task A_trigger_is_made_with_what_was_said_and_shown()
    {
        var made = (await Shell.RunAsync(
            "trigger", "create", "nightly", "--kind", "cron", "--endpoint", "report", "--source", "schedule=0 3 * * *", "--source", "zone=Europe/Berlin", "--input", """{"a":1}""", "--batch-size", "5", "--batch-window", "2s")).Done();

        var trigger = Server.Triggers["nightly"];
        Assert.Equal(("cron", "report", "0 3 * * *", "Europe/Berlin", """{"a":1}""", 5, "2s"), (trigger.Kind, trigger.Endpoint, trigger.Source["schedule"], trigger.Source["zone"], trigger.Input, trigger.BatchSize, trigger.BatchWindow));
        Assert.StartsWith("nightly is active: a cron trigger of report\n", made.Out, StringComparison.Ordinal);
        Assert.Contains("  schedule      0 3 * * *\n", made.Out, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_failing_one_says_why()
    {
        Server.Triggers["inbox"] = new TriggerInfo
        {
            Name = "inbox",
            Kind = "folder",
            Endpoint = "scan",
            Source = System.Collections.Immutable.ImmutableSortedDictionary<string, string>.Empty.Add("path", "/srv/inbox"),
            BatchSize = 1,
            BatchWindow = "0s",
            State = "failing",
            LastError = "the queue is full",
            Lag = 1_200,
            CreatedAt = DateTimeOffset.UnixEpoch,
        };

        var shown = (await Shell.RunAsync("trigger", "show", "inbox")).Done();

        Assert.Contains("inbox is failing", shown.Out, StringComparison.Ordinal);
        Assert.Contains("the queue is full", shown.Out, StringComparison.Ordinal);
        Assert.Contains("1,200 in its source", shown.Out, StringComparison.Ordinal);
    }

    /// <summary>A trigger of an endpoint that is not there is refused.</summary>
    [Fact]
    public async Task In_a_file_endpoints_are_made_before_their_triggers_wherever_they_stand()
    {
        Shell.Write("digits.onnx", "model");
        var file = Shell.Write(
            "dormouse.yaml",
            """
            triggers:
              nightly: { kind: cron, endpoint: report, source: { schedule: "0 3 * * *" } }
            endpoints:
              report: { source: digits.onnx }
            """);

        (await Shell.RunAsync("apply", "-f", file)).Done();

        var changes = Server.Requests.Where(r => !r.StartsWith("GET ", StringComparison.Ordinal) && !r.StartsWith("HEAD ", StringComparison.Ordinal)).ToList();
        Assert.Equal("PUT /api/v1/triggers/nightly", changes[^1]);
        Assert.Contains(changes.SkipLast(1), r => r.Contains("/endpoints/report", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Triggers_of_a_file_are_made_once_and_what_differs_is_shown()
    {
        const string Text =
            """
            triggers:
              nightly:
                kind: cron
                endpoint: report
                source: { schedule: "0 3 * * *" }
                filter: { type: [dormouse.cron] }
                input: { at: "$.data.scheduled_at", n: 3 }
                batch_window: 60000ms
            """;
        var file = Shell.Write("dormouse.yaml", Text);

        var first = (await Shell.RunAsync("apply", "-f", file)).Done();
        var second = (await Shell.RunAsync("apply", "-f", file)).Done();
        var same = await Shell.RunAsync("diff", "-f", file);
        Shell.Write("dormouse.yaml", Text.Replace("0 3", "0 4", StringComparison.Ordinal) + "\n    paused: true\n");
        var differs = await Shell.RunAsync("diff", "-f", file);

        Assert.Equal("trigger nightly: made\n", first.Out);
        Assert.Equal("trigger nightly: unchanged\n", second.Out);
        Assert.Equal(ExitCodes.Done, same.Code);
        Assert.Equal("""{"type":["dormouse.cron"]}""", Server.Triggers["nightly"].Filter);
        Assert.Equal("""{"at":"$.data.scheduled_at","n":3}""", Server.Triggers["nightly"].Input);
        Assert.Equal(ExitCodes.Failed, differs.Code);
        Assert.Equal("triggers.nightly:\n  source.schedule: 0 3 * * * → 0 4 * * *\n  paused: false → true\n", differs.Out);
    }

    [Fact]
    public async Task Mistakes_of_triggers_in_a_file_are_told_with_their_places()
    {
        var file = Shell.Write("dormouse.yaml",
            """
            triggers:
              nightly:
                kind: cron
                filter: { type: x }
                input: "$.a..b"
                shedule: "0 3 * * *"
              Bad_Name: { kind: http, endpoint: report }
            """);

        var wrong = await Shell.RunAsync("apply", "-f", file);

        Assert.Equal(ExitCodes.Refused, wrong.Code);
        foreach (var part in (string[])["triggers.nightly.endpoint: Missing", ":4: triggers.nightly.filter: 'type' is the text 'x'; it must be an object, or a list", ":5: triggers.nightly.input: '$.a..b' is no path", ":6: triggers.nightly.shedule: Unknown key.", ":7: triggers.Bad_Name"])
        {
            Assert.Contains(part, wrong.Error, StringComparison.Ordinal);
        }
    }
}
