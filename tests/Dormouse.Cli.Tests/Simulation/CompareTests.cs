using Dormouse.Cli.Terminal;

namespace Dormouse.Cli.Tests.Simulation;

public sealed class CompareTests : IDisposable
{
    private const string Arrivals = "time_s,endpoint,run_ms\n0,a,100\n100,a,100\n200,b,100\n1000,a,100\n";

    private readonly Shell _shell = new();

    public void Dispose() => _shell.Dispose();

    [Fact]
    public async Task The_default_is_compared_with_a_fixed_keep_alive()
    {
        var result = (await _shell.RunAsync("simulate", "--trace", _shell.Write("load.csv", Arrivals), "--output", "json")).Done();

        Assert.Equal(("load.csv", 2, "USD"), (result.Json.GetProperty("load").GetString(), result.Json.GetProperty("endpoints").GetInt32(), result.Json.GetProperty("currency").GetString()));
        var policies = result.Json.GetProperty("policies").EnumerateArray().ToList();
        Assert.Equal(["dormouse default", "fixed 10-minute keep-alive", "knative"], policies.Select(p => p.GetProperty("policy").GetString()));
        Assert.Equal([4, 3, 4], policies.Select(p => p.GetProperty("cold_starts").GetInt32()));
        Assert.All(policies, p => Assert.Equal(4, p.GetProperty("answered").GetInt32()));
        Assert.All(policies, p => Assert.Equal("0.00000333334", p.GetProperty("price").GetString()));
    }

    [Fact]
    public async Task Policies_of_files_stand_side_by_side()
    {
        var load = _shell.Write("load.csv", Arrivals);
        var quick = _shell.Write("quick.yaml", "idle_timeout: 10s\nmemory: 128MiB\n");
        var warm = _shell.Write("warm.yaml", "name: always warm\nprovisioned: 1\nspare_instances: 1\ntarget_utilization: 0.7\nscale_down_delay: 1m\ntarget_rps: 5\nstable_window: 30s\nmax_scale_up_rate: 2\nactivation_instances: 1\nscale_to_zero_grace: 10s\n");

        var result = (await _shell.RunAsync("simulate", "--trace", load, "--policy", quick, "--policy", warm)).Done();

        var lines = result.Out.Split('\n');
        Assert.Contains("load.csv: 4 invocations of 2 endpoints in 16.7 min, 1 machine of 8 cores and 24GiB, seed 1", lines[0], StringComparison.Ordinal);
        Assert.Contains(lines, l => l.StartsWith("quick", StringComparison.Ordinal) && l.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1] == "4");
        Assert.Contains(lines, l => l.StartsWith("always warm", StringComparison.Ordinal) && l.Split(' ', StringSplitOptions.RemoveEmptyEntries)[2] == "1"); // The one at 0 s.
    }

    [Fact]
    public async Task Scheduled_floors_of_a_policy_open_by_the_calendar()
    {
        // A call at 8:00:01 and one at 12:00 on a Monday; the window from 8 to 10 has the first warm.
        var load = _shell.Write("load.csv", "time_s,endpoint,run_ms\n28801,a,100\n43200,a,100\n");
        var policy = _shell.Write("office.yaml", "floors: [\"0 8 * * MON for 2h = 1\"]\nidle_timeout: 10s\n");

        var monday = (await _shell.RunAsync("simulate", "--trace", load, "--policy", policy, "--output", "json")).Done();
        var tuesday = (await _shell.RunAsync("simulate", "--trace", load, "--policy", policy, "--begins-at", "2026-01-06T00:00:00Z", "--output", "json")).Done();

        int Cold(Result result) => result.Json.GetProperty("policies")[0].GetProperty("cold_starts").GetInt32();
        Assert.Equal((1, 2), (Cold(monday), Cold(tuesday)));
        Assert.InRange(monday.Json.GetProperty("policies")[0].GetProperty("instance_s").GetDouble(), 7_190, 7_230);
    }

    [Fact]
    public async Task Callers_machines_and_cores_can_be_made_worse()
    {
        string[] command = ["simulate", "--profile", "steady", "--endpoints", "2", "--rate", "20", "--duration", "1h", "--policy", _shell.Write("batches.yaml", "concurrency: 1\nbatch_max: 4\nmax_instances: 1\n"), "--output", "json"];

        var result = (await _shell.RunAsync([.. command, "--caller-deadline", "20ms", "--machine-loss-every", "5m", "--machine-outage", "20s", "--knee", "2", "--batch-growth", "0.1"])).Done();

        var policy = result.Json.GetProperty("policies")[0];
        Assert.True(policy.GetProperty("refused").GetProperty("caller_deadline").GetInt64() > 0);
        Assert.True(policy.GetProperty("machine_losses").GetInt64() > 0);
        Assert.True(policy.GetProperty("unreachable").GetInt64() > 0);
        long Of(string name) => policy.GetProperty(name).GetInt64();
        var refused = policy.GetProperty("refused").EnumerateObject().Sum(r => r.Value.GetInt64());
        Assert.Equal(Of("invocations"), Of("answered") + refused + Of("timed_out") + Of("crashed") + Of("lost_with_machine") + Of("unreachable"));
    }

    [Theory]
    [InlineData("--crash-every", "20s", "retries")]
    [InlineData("--failed-starts", "0.5", "failed_starts")]
    [InlineData("--lost-readiness", "0.5", "refused.start_timeout")]
    public async Task What_goes_wrong_shows(string option, string value, string counted)
    {
        string[] command = ["simulate", "--profile", "steady", "--endpoints", "2", "--rate", "4", "--duration", "1h", "--policy", _shell.Write("one.yaml", "max_instances: 1\nidle_timeout: 1s\nstart_timeout: 5s\n"), "--output", "json"];

        var well = Of((await _shell.RunAsync(command)).Done());
        var ill = Of((await _shell.RunAsync([.. command, option, value])).Done());

        Assert.Equal(0, well);
        Assert.True(ill > 0);

        long Of(Result result) => counted.Split('.').Aggregate(result.Json.GetProperty("policies")[0], (node, name) => node.GetProperty(name)).GetInt64();
    }

    [Theory]
    [InlineData("--slow-starts", "1", "--slow-start-factor", "50")]
    [InlineData("--clock-jump-every", "30s", "--clock-jump", "4s")]
    public async Task What_is_late_shows(params string[] options)
    {
        string[] command = ["simulate", "--profile", "steady", "--endpoints", "2", "--rate", "4", "--duration", "10m", "--policy", _shell.Write("one.yaml", "max_instances: 1\nidle_timeout: 1s\n"), "--output", "json"];

        Assert.True(Max((await _shell.RunAsync([.. command, .. options])).Done()) > 3 * Max((await _shell.RunAsync(command)).Done()));

        double Max(Result result) => result.Json.GetProperty("policies")[0].GetProperty("max_ms").GetDouble();
    }

    [Fact]
    public async Task A_profile_needs_no_file()
    {
        var result = (await _shell.RunAsync("simulate", "--profile", "bursty", "--endpoints", "5", "--rate", "2", "--duration", "10m", "--output", "json")).Done();

        Assert.Equal("bursty", result.Json.GetProperty("load").GetString());
        Assert.True(result.Json.GetProperty("policies")[0].GetProperty("invocations").GetInt64() > 500);
    }

    [Fact]
    public async Task A_report_is_one_page_that_asks_for_nothing()
    {
        var policy = _shell.Write("odd.yaml", "name: <b>odd & co</b>\n");
        var page = Path.Combine(_shell.Folder, "report.html");

        (await _shell.RunAsync("simulate", "--trace", _shell.Write("load.csv", Arrivals), "--policy", policy, "--report", page)).Done();

        var html = await File.ReadAllTextAsync(page, TestContext.Current.CancellationToken);
        Assert.Equal(5, html.Split("<svg ").Length - 1);
        Assert.Contains("&lt;b&gt;odd &amp; co&lt;/b&gt;", html, StringComparison.Ordinal);
        Assert.DoesNotContain("<b>odd", html, StringComparison.Ordinal);
        Assert.DoesNotContain("http", html, StringComparison.Ordinal);
        Assert.DoesNotContain("<script", html, StringComparison.Ordinal);
        Assert.DoesNotContain("NaN", html, StringComparison.Ordinal);
        // What was written is also well-formed but for the head: each chart is XML.
        foreach (var chart in html.Split("<svg ").Skip(1))
        {
            System.Xml.Linq.XElement.Parse("<svg " + chart[..(chart.IndexOf("</svg>", StringComparison.Ordinal) + 6)]);
        }
    }

    [Fact]
    public async Task A_report_that_cannot_be_written_is_told_before_the_run()
    {
        var result = await _shell.RunAsync("simulate", "--profile", "steady", "--report", Path.Combine(_shell.Folder, "nowhere", "r.html"));

        Assert.Equal(ExitCodes.Refused, result.Code);
        Assert.Contains("there is no folder", result.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_seed_gives_the_same_words_again()
    {
        string[] command = ["simulate", "--profile", "steady", "--endpoints", "5", "--rate", "2", "--duration", "10m", "--seed"];

        Assert.Equal((await _shell.RunAsync([.. command, "7"])).Out, (await _shell.RunAsync([.. command, "7"])).Out);
        Assert.NotEqual((await _shell.RunAsync([.. command, "7"])).Out, (await _shell.RunAsync([.. command, "8"])).Out);
    }

    [Theory]
    [InlineData("time_s,endpoint\n2,a\n1,a\n", ":3: time_s is 1, after 2: time goes forward.")]
    [InlineData("", ": It is empty")]
    public async Task A_bad_trace_is_refused_with_its_place(string text, string message)
    {
        var file = _shell.Write("load.csv", text);

        var result = await _shell.RunAsync("simulate", "--trace", file);

        Assert.Equal(ExitCodes.Refused, result.Code);
        Assert.Contains(file + message, result.Error, StringComparison.Ordinal);
        Assert.Empty(result.Out);
    }

    [Theory]
    [InlineData("idle_timout: 30s", ":1: idle_timout: Unknown key. Did you mean 'idle_timeout'?")]
    [InlineData("concurrency: many", ":1: concurrency: A whole number is needed here. It is 'many'.")]
    [InlineData("floors: daily", ":1: floors: A list of texts is needed here. It is 'daily'.")]
    [InlineData("concurrency: [1]", ":1: concurrency: A single value is needed here.")]
    [InlineData("- 1", ":1: A policy is a mapping of settings")]
    public async Task A_bad_policy_is_refused_with_its_place(string text, string message)
    {
        var file = _shell.Write("policy.yaml", text);

        var result = await _shell.RunAsync("simulate", "--profile", "steady", "--policy", file);

        Assert.Equal(ExitCodes.Refused, result.Code);
        Assert.Contains(file + message, result.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("max_instances: 5\nmin_instances: 6", "min_instances is 6; allowed are 0 to max_instances, which is 5.")]
    [InlineData("idle_timeout: 2d", "idle_timeout is 2d; allowed are 0s to 24h.")]
    [InlineData("floors: [\"0 0 30 2 * for 1h = 1\"]", "floors has '0 0 30 2 * UTC for 1h = 1', whose cron expression '0 0 30 2 *' never fires")]
    [InlineData("concurrency: auto\nbatch_max: 4", "batch_max")]
    public async Task Settings_that_are_not_allowed_are_named(string text, string message)
    {
        var result = await _shell.RunAsync("simulate", "--profile", "steady", "--policy", _shell.Write("policy.yaml", text));

        Assert.Equal(ExitCodes.Refused, result.Code);
        Assert.Contains("The policy 'policy' cannot be used. " + message, result.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("One of --trace, --profile and --kpa is needed")]
    [InlineData("--trace and --profile were both given", "--trace", "x.csv", "--profile", "steady")]
    [InlineData("--endpoints is 0; allowed are 1 to 1000000", "--profile", "steady", "--endpoints", "0")]
    [InlineData("--duration is 'long'; allowed is a number with", "--profile", "steady", "--duration", "long")]
    [InlineData("--knee is 0; allowed are 1 to 1000", "--profile", "steady", "--knee", "0")]
    [InlineData("--failed-starts is 2; allowed are 0 to 1", "--profile", "steady", "--failed-starts", "2")]
    [InlineData("--slow-start-factor is 0.5; allowed are 1 to 10000", "--profile", "steady", "--slow-start-factor", "0.5")]
    [InlineData("--crash-every is 'never'; allowed is a number with", "--profile", "steady", "--crash-every", "never")]
    [InlineData("--clock-jump is 2d; allowed are 0s to 24h", "--profile", "steady", "--clock-jump", "2d")]
    [InlineData("--batch-growth is 2; allowed are 0 to 1", "--profile", "steady", "--batch-growth", "2")]
    [InlineData("--begins-at is 'soon'; allowed is a time such as", "--profile", "steady", "--begins-at", "soon")]
    [InlineData("--machine-memory is 1MiB; allowed are 64MiB to", "--profile", "steady", "--machine-memory", "1MiB")]
    [InlineData("more than 10,000,000,000 invocations", "--profile", "steady", "--rate", "1000000", "--duration", "100d")]
    public async Task A_wrong_command_line_is_told(string message, params string[] arguments)
    {
        var result = await _shell.RunAsync(["simulate", .. arguments]);

        Assert.Equal(ExitCodes.Usage, result.Code);
        Assert.Contains(message, result.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_curve_shows_each_policy_with_several_settings_and_the_learned_one_at_memory_and_cold_starts_of_rivals()
    {
        string[] command = ["simulate", "--profile", "steady", "--endpoints", "2", "--rate", "0.05", "--duration", "1h", "--curve"];
        var page = Path.Combine(_shell.Folder, "curve.html");

        var shown = (await _shell.RunAsync([.. command, "--report", page])).Done();
        var json = (await _shell.RunAsync([.. command, "--output", "json"])).Done().Json;

        Assert.Contains("learned 60 s", shown.Out, StringComparison.Ordinal);
        Assert.Contains("LEARNED WITH", shown.Out, StringComparison.Ordinal);
        Assert.Equal(["memory", "cold", "memory", "cold"], shown.Out.Split('\n').SkipWhile(l => !l.StartsWith("RIVAL", StringComparison.Ordinal)).Skip(1).Take(4)
            .Select(l => l.Contains(" memory ", StringComparison.Ordinal) ? "memory" : l.Contains(" cold starts ", StringComparison.Ordinal) ? "cold" : l));
        Assert.Equal(18, json.GetProperty("policies").GetArrayLength());
        var matches = json.GetProperty("matches").EnumerateArray().ToList();
        Assert.Equal(["fixed 10-minute keep-alive", "knative"], matches.Select(m => m.GetProperty("rival").GetString()));
        Assert.All(matches, m => Assert.True(m.GetProperty("at_memory").GetProperty("gb_seconds").GetDouble() <= 1.001 * m.GetProperty("gb_seconds").GetDouble()));
        Assert.All(matches, m => Assert.True(m.GetProperty("at_cold_starts").GetProperty("cold_starts").GetInt64() <= m.GetProperty("cold_starts").GetInt64()));
        var html = await File.ReadAllTextAsync(page, TestContext.Current.CancellationToken);
        Assert.Equal(4, html.Split("The learned keep-alive beside its rivals")[1].Split("</table>")[0].Split("<tr><td>").Length - 1);
        Assert.Equal(2, (await _shell.RunAsync([.. command, "--policy", "x.yaml"])).Code);
    }

    [Fact]
    public async Task A_trace_that_is_not_there_is_named()
    {
        var result = await _shell.RunAsync("simulate", "--trace", "nowhere.csv");

        Assert.Equal(ExitCodes.Refused, result.Code);
        Assert.Contains("nowhere.csv cannot be read", result.Error, StringComparison.Ordinal);
    }
}
