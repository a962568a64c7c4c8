using System.Text.Json.Nodes;
using Dormouse.Cli.Terminal;
using Dormouse.Protocol.Control;

namespace Dormouse.Cli.Tests.Commands;

public sealed class ReadingCommandsTests : ServerTests
{
    public override async ValueTask InitializeAsync()
    {
        await base.InitializeAsync();
        (await Shell.RunAsync("deploy", Shell.Write("digits.onnx", "model"))).Done();
        (await Shell.RunAsync("deploy", Shell.Write("digits.onnx", "model two"))).Done();
    }

    [Fact]
    public async Task List_shows_a_row_for_each_endpoint()
    {
        var lines = (await Shell.RunAsync("list")).Done().Out.Split('\n');

        Assert.Equal(["NAME", "STATUS", "TRAFFIC", "ACCESS", "URL"], lines[0].Split(' ', StringSplitOptions.RemoveEmptyEntries));
        Assert.Equal(["digits", "idle", "r2", "key", $"{Server.Address}v2/models/digits/infer"], lines[1].Split(' ', StringSplitOptions.RemoveEmptyEntries));
    }

    [Fact]
    public async Task List_follows_the_pages()
    {
        Server.PageSize = 2;
        foreach (var name in (string[])["e1", "e2", "e3", "e4"])
        {
            Server.Put(Server.Endpoint("digits") with { Name = name });
        }

        var names = (await Shell.RunAsync("list", "--output", "json")).Done().Json.GetProperty("endpoints").EnumerateArray().Select(e => e.GetProperty("name").GetString());

        Assert.Equal(["digits", "e1", "e2", "e3", "e4"], names);
    }

    [Fact]
    public async Task List_as_json_is_the_servers_document()
    {
        var result = (await Shell.RunAsync("list", "--output", "json")).Done();

        Assert.Equal("digits", result.Json.GetProperty("endpoints")[0].GetProperty("name").GetString());
    }

    [Fact]
    public async Task Describe_shows_the_models_inputs_and_outputs()
    {
        var result = (await Shell.RunAsync("describe", "digits")).Done();

        Assert.Contains("image float32[n,1,28,28]", result.Out, StringComparison.Ordinal);
        Assert.Contains("scores float32[n,10]", result.Out, StringComparison.Ordinal);
        Assert.Contains("512MiB", result.Out, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(null, "cgroup v2", @"isolation +sandbox \(the server's default\)\n", @"limits +by cgroup v2\n")]
    [InlineData("process", "rlimits", @"isolation +process\n", @"limits +rlimits: memory is bounded, processor time is not\n")]
    public async Task Describe_shows_how_instances_are_isolated_and_bounded_here(string? wanted, string limits, params string[] lines)
    {
        var revision = Server.Endpoint("digits").Revisions[0];
        Server.Put(Server.Endpoint("digits") with { Revisions = [revision with { Isolation = wanted ?? "sandbox", Limits = limits, Settings = revision.Settings with { Isolation = wanted } }] });

        var text = (await Shell.RunAsync("describe", "digits")).Done();
        var json = (await Shell.RunAsync("describe", "digits", "-o", "json")).Done();

        Assert.All(lines, line => Assert.Matches(line, text.Out));
        var shown = JsonNode.Parse(json.Out)!["revisions"]![0]!;
        Assert.Equal((wanted ?? "sandbox", limits), (shown["isolation"]!.GetValue<string>(), shown["limits"]!.GetValue<string>()));
    }

    [Fact]
    public async Task Scaling_is_told_in_order_of_time()
    {
        var at = Shell.Time.GetUtcNow();
        Server.Put(Server.Endpoint("digits") with
        {
            Revisions = [Server.Endpoint("digits").Revisions[0]],
            Scaling = [new ScalingInfo(at, "r2", 1, 0, "idle for 60 s"), new ScalingInfo(at - TimeSpan.FromMinutes(1), "r2", 0, 1, "first call")],
        });

        var result = (await Shell.RunAsync("describe", "digits", "--scaling")).Done();

        Assert.Equal("13:59:00  0 → 1   first call\n14:00:00  1 → 0   idle for 60 s\n", result.Out);
    }

    [Fact]
    public async Task An_unknown_endpoint_ends_with_3()
    {
        var result = await Shell.RunAsync("describe", "digit");

        Assert.Equal(ExitCodes.NotFound, result.Code);
        Assert.Equal("error: There is no endpoint 'digit'.\n", result.Error);
    }

    [Fact]
    public async Task A_wrong_key_ends_with_4_and_says_where_it_came_from()
    {
        var result = await Shell.RunAsync("list", "--key", "dm_wrong");

        Assert.Equal(ExitCodes.Refused, result.Code);
        Assert.Contains("The key came from: --key.", result.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("list")]
    [InlineData("deploy")]
    public async Task Without_a_key_it_is_said_how_to_give_one(string command)
    {
        // The first call of a deploy is a HEAD, whose answer has no document.
        Shell.Environment.Remove("DORMOUSE_API_KEY");

        var result = await Shell.RunAsync(command == "deploy" ? ["deploy", Shell.Write("other.onnx", "another model")] : [command]);

        Assert.Equal(ExitCodes.Refused, result.Code);
        Assert.Contains("Give a key with --key or DORMOUSE_API_KEY.", result.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Revisions_and_traffic_and_rollback_work_together()
    {
        var shared = (await Shell.RunAsync("traffic", "digits", "r1=10", "2=90")).Done();
        var back = (await Shell.RunAsync("rollback", "digits", "--to", "r1")).Done();
        var revisions = (await Shell.RunAsync("revisions", "digits")).Done();

        Assert.Equal("digits r2  90 %\ndigits r1  10 %\n", shared.Out);
        Assert.Equal("digits r1  100 %\n", back.Out);
        Assert.Matches("(?m)^r2 +ready +9 B", revisions.Out);
        Assert.Matches("(?m)^r1 +ready +100 % +5 B", revisions.Out);
    }

    [Fact]
    public async Task Delete_asks_a_person_and_takes_no_silence_for_an_answer()
    {
        Assert.Equal(ExitCodes.Usage, (await Shell.RunAsync("delete", "digits")).Code);
        Shell.Piped = null;
        Shell.Typed = "\n";
        Assert.Equal(ExitCodes.Failed, (await Shell.RunAsync("delete", "digits")).Code);
        Assert.Equal(2, Server.Endpoint("digits").Revisions.Length);

        Shell.Typed = "y\n";
        var result = (await Shell.RunAsync("delete", "digits")).Done();

        Assert.Contains("Delete digits and its 2 revision(s)?", result.Error, StringComparison.Ordinal);
        Assert.Equal("digits is deleted\n", result.Out);
        Assert.Equal(ExitCodes.NotFound, (await Shell.RunAsync("delete", "digits", "--yes")).Code);
    }

    [Fact]
    public async Task Stop_says_that_nothing_runs()
    {
        Assert.Equal("digits is stopped: nothing of it runs until the next call\n", (await Shell.RunAsync("stop", "digits")).Done().Out);
        Assert.Equal("stopped", (await Shell.RunAsync("stop", "digits", "-o", "json")).Done().Json.GetProperty("done").GetString());
    }

    [Fact]
    public async Task Logs_are_lines_or_documents()
    {
        Server.Logs = [new LogLine(Shell.Time.GetUtcNow(), "r2/1", "loaded [model]"), new LogLine(Shell.Time.GetUtcNow(), "server", "idle")];

        Assert.Equal("14:00:00  r2/1  loaded [model]\n14:00:00  server  idle\n", (await Shell.RunAsync("logs", "digits", "--tail", "7", "--follow")).Done().Out);
        Assert.Equal(2, (await Shell.RunAsync("logs", "digits", "-o", "json")).Done().Out.Split('\n', StringSplitOptions.RemoveEmptyEntries).Length);
        Assert.Contains("GET /api/v1/endpoints/digits/logs?follow=true&tail=7", Server.Requests);
    }

    [Fact]
    public async Task Logs_of_an_invocation_that_nobody_knows_ran_elsewhere_or_wrote_nothing_say_so()
    {
        const string Id = "019aa5d2-7b41-7c52-8d51-3f5a0c1f2b77";
        Server.Receipts[Id] = Receipt(Id);
        Server.Logs = [];

        var unknown = await Shell.RunAsync("logs", "digits", "--invocation", "019aa5d2-0000-7c52-8d51-3f5a0c1f2b77");
        var nameless = await Shell.RunAsync("logs", "--invocation", "019aa5d2-0000-7c52-8d51-3f5a0c1f2b77");
        var elsewhere = await Shell.RunAsync("logs", "other", "--invocation", Id);
        var silent = (await Shell.RunAsync("logs", "--invocation", Id)).Done();
        var document = (await Shell.RunAsync("logs", "digits", "--invocation", Id, "-o", "json")).Done();

        Assert.Equal((ExitCodes.NotFound, ExitCodes.NotFound, ExitCodes.NotFound), (unknown.Code, nameless.Code, elsewhere.Code));
        Assert.Contains("There is no such invocation.", unknown.Error, StringComparison.Ordinal);
        Assert.Contains("ran on 'digits', not on 'other'", elsewhere.Error, StringComparison.Ordinal);
        Assert.Equal("", silent.Out);
        Assert.Contains("Nothing is kept of what " + Id, silent.Error, StringComparison.Ordinal);
        Assert.Equal(("", ""), (document.Out, document.Error));
    }

    [Fact]
    public async Task Usage_names_both_dates_of_its_period_also_when_it_ends_today()
    {
        var total = new UsageRow(null, null, null, 0, 0, 0, 0, 0, 0, 0, "0", "0", "0");
        var hour = total with { Endpoint = "digits", Hour = Shell.Time.GetUtcNow().AddHours(-1) };
        Server.Usage = new UsageReport { From = Shell.Time.GetUtcNow() - TimeSpan.FromDays(1), To = Shell.Time.GetUtcNow(), Currency = "USD", Rows = [hour], Total = total };

        var result = (await Shell.RunAsync("usage", "--by", "hour")).Done();

        Assert.StartsWith("2026-11-23 14:00:00 to 2026-11-24 14:00:00\n", result.Out, StringComparison.Ordinal);
        Assert.Contains("2026-11-24 13:00:00", result.Out, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Usage_shows_provisioned_runs_and_time_on_lines_of_their_own()
    {
        var row = new UsageRow("digits", "e", null, 3, 1, 0, 1.25, 0.5, 4, 0.002, "1024", "33333", "0.000000033333", "on_demand");
        var rows = new[] { row, row with { Line = "provisioned" }, row with { Line = "provisioned_time", Invocations = 0 } };
        Server.Usage = new UsageReport { From = Shell.Time.GetUtcNow() - TimeSpan.FromDays(1), To = Shell.Time.GetUtcNow(), Currency = "USD", Rows = [.. rows], Total = row with { Endpoint = null, Line = null } };

        var lines = (await Shell.RunAsync("usage")).Done().Out.Split('\n');

        Assert.Contains(lines, l => l.StartsWith("digits  ", StringComparison.Ordinal));
        Assert.Contains(lines, l => l.StartsWith("digits: provisioned  ", StringComparison.Ordinal));
        Assert.Contains(lines, l => l.StartsWith("digits: provisioned time  ", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Usage_ends_with_the_total()
    {
        var row = new UsageRow("digits", "e", null, 3, 1, 0, 1.25, 0.5, 4, 0.002, "1024", "33333", "0.000000033333");
        Server.Usage = new UsageReport { From = Shell.Time.GetUtcNow() - TimeSpan.FromDays(1), To = Shell.Time.GetUtcNow(), Currency = "USD", Rows = [row], Total = row with { Endpoint = null } };

        var result = (await Shell.RunAsync("usage", "digits", "--by", "endpoint", "--from", "24h", "--to", "2026-11-24T14:00Z")).Done();

        Assert.Matches("(?m)^digits +3 +1 +0 +1.3 +0.5 +4 +0.002 +0.000000033333", result.Out);
        Assert.Matches("(?m)^total +3", result.Out);
        Assert.Contains("GET /api/v1/usage?by=endpoint&endpoint=digits&from=2026-11-23T14%3A00%3A00Z&to=2026-11-24T14%3A00%3A00Z", Server.Requests);
    }

    [Fact]
    public async Task Keys_are_made_listed_and_revoked()
    {
        Assert.Equal("dm_k0_secret\n", (await Shell.RunAsync("key", "create", "laptop", "--scope", "invoke", "--scope", "admin")).Done().Out);
        Assert.Matches("(?m)^k0 +laptop +invoke, admin", (await Shell.RunAsync("key", "list")).Done().Out);
        Assert.Equal("k0 is revoked\n", (await Shell.RunAsync("key", "revoke", "k0")).Done().Out);
        Assert.Equal(ExitCodes.NotFound, (await Shell.RunAsync("key", "revoke", "k0")).Code);
    }

    [Fact]
    public async Task Doctor_ends_with_1_when_something_failed_and_says_what_mends_it()
    {
        Assert.Equal(ExitCodes.Done, (await Shell.RunAsync("doctor")).Code);
        Server.Doctor = new DoctorReport(false, [new DoctorCheck("cgroups", "failed", "no cgroup", "mount them")]);

        var result = await Shell.RunAsync("doctor");

        Assert.Equal(ExitCodes.Failed, result.Code);
        Assert.Contains("cgroups: mount them", result.Out, StringComparison.Ordinal);
        Assert.Contains("key      from DORMOUSE_API_KEY", result.Out, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Doctor_adds_up_all_receipts_only_when_it_is_told_to()
    {
        (await Shell.RunAsync("doctor")).Done();
        (await Shell.RunAsync("doctor", "--full")).Done();

        Assert.Equal(["GET /api/v1/doctor", "GET /api/v1/doctor?full=true"], Server.Requests.Where(r => r.Contains("doctor", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task What_a_user_named_is_never_read_as_a_style()
    {
        Server.Put(Server.Endpoint("digits") with { Url = "[red]x[/]" });

        Assert.Contains("[red]x[/]", (await Shell.RunAsync("list")).Done().Out, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_empty_server_says_what_to_do_first()
    {
        (await Shell.RunAsync("delete", "digits", "--yes")).Done();

        var result = (await Shell.RunAsync("list")).Done();

        Assert.Empty(result.Out);
        Assert.Contains("dormouse deploy", result.Error, StringComparison.Ordinal);
    }

    private ReceiptInfo Receipt(string id) => new()
    {
        Id = id,
        Endpoint = "digits",
        EndpointId = "e1",
        Revision = "r1",
        Instance = "",
        Outcome = "completed",
        StartedAt = Shell.Time.GetUtcNow(),
        Start = "warm",
        Price = "0",
        Currency = "USD",
    };
}
