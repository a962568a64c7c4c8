using System.Diagnostics.Metrics;
using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using Dormouse.Core.Dispatch;
using Dormouse.Core.Instances;
using Dormouse.Protocol.Problems;
using Dormouse.Protocol.Signatures;
using Dormouse.Server.Control;
using Dormouse.Server.Hosting.Settings;
using Dormouse.Server.Telemetry;
using Dormouse.Server.Tests.Fakes;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace Dormouse.Server.Tests.Control;

/// <summary>docs/spec says what the product promises; each page is walked against the code in both directions.</summary>
public sealed partial class DocumentationTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public void Every_problem_code_is_documented_as_it_is()
    {
        var rows = Page("errors.md").Split('\n')
            .Where(l => l.StartsWith("| `", StringComparison.Ordinal))
            .Select(l => l.Split('|', StringSplitOptions.TrimEntries))
            .ToDictionary(c => c[1].Trim('`'), c => (Status: c[2], Retry: c[3], FixedBy: c[4]));

        Assert.Equal(ProblemCode.All.Keys.Order(StringComparer.Ordinal), rows.Keys.Order(StringComparer.Ordinal));
        Assert.All(ProblemCode.All.Values, code =>
        {
            var status = code.Status.ToString(CultureInfo.InvariantCulture) + (code.StatusOnV2 is { } v2 ? $" ({v2} on /v2)" : "");
            Assert.Equal((status, code.Retryable ? "yes" : "no", code.FixedBy), rows[code.Code]);
        });
    }

    [Fact]
    public async Task Every_operation_of_the_control_plane_is_documented_and_no_other()
    {
        await using var server = await ControlServer.StartAsync();
        var routes = server.Services.GetRequiredService<EndpointDataSource>().Endpoints
            .Select(e => e.Metadata.GetMetadata<ControlRoute>()).OfType<ControlRoute>()
            .Select(r => $"{r.Method} /api/v1{r.Pattern}");

        var documented = Operation().Matches(Page("api.md")).Select(m => $"{m.Groups[1].Value} {m.Groups[2].Value}").Distinct();

        Assert.Equal(routes.Order(StringComparer.Ordinal), documented.Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task The_openapi_document_holds_every_route_and_resolves()
    {
        await using var server = await ControlServer.StartAsync();
        using var document = JsonDocument.Parse(await server.Client(null).GetStringAsync("/openapi/v1.json", Cancellation));
        var paths = document.RootElement.GetProperty("paths");
        var schemas = document.RootElement.GetProperty("components").GetProperty("schemas");
        var routes = server.Services.GetRequiredService<EndpointDataSource>().Endpoints
            .Select(e => e.Metadata.GetMetadata<ControlRoute>()).OfType<ControlRoute>().ToList();

        Assert.NotEmpty(routes);
        Assert.All(routes, r => Assert.Equal(
            r.Operation, paths.GetProperty("/api/v1" + r.Pattern).GetProperty(r.Method.ToLowerInvariant()).GetProperty("operationId").GetString()));
        Assert.Equal(routes.Count, routes.Select(r => r.Operation).Distinct().Count());
        Assert.True(paths.TryGetProperty("/health", out _));
        Assert.All(DataPlaneDescriptions.All, d => Assert.True(
            paths.GetProperty(d.Key.Replace("**", "", StringComparison.Ordinal)).TryGetProperty(d.Value.Method.ToLowerInvariant(), out _), d.Key));
        Assert.DoesNotContain("inference.GRPC", document.RootElement.GetRawText(), StringComparison.Ordinal);
        var references = Reference().Matches(document.RootElement.GetRawText()).Select(m => m.Groups[1].Value).Distinct().ToList();
        Assert.NotEmpty(references);
        Assert.All(references, name => Assert.True(schemas.TryGetProperty(name, out _), name));
        Assert.Equal("boolean", schemas.GetProperty("DeployRequest").GetProperty("properties").GetProperty("verify").GetProperty("type").GetString());
    }

    [Fact]
    public void Every_setting_is_documented_and_no_other()
    {
        var reader = new SettingsReader([]);
        ServerSettings.Read(reader, "/nowhere", new Dictionary<string, string>());

        var documented = Key().Matches(Page("configuration.md")).Select(m => m.Groups[1].Value).Distinct();

        Assert.Equal(reader.Known.Order(StringComparer.Ordinal), documented.Order(StringComparer.Ordinal));
    }

    /// <summary>Those that are a value; others are a sentence, because they depend on the machine. Those of a bucket mean nothing without one.</summary>
    [Fact]
    public void Every_default_is_documented_as_it_is()
    {
        var byDefault = Settings().ToString();
        var rows = Default().Matches(Page("configuration.md")).Select(m => (Key: m.Groups[1].Value, Value: m.Groups[2].Value)).Where(r => !r.Key.StartsWith("s3.", StringComparison.Ordinal)).ToList();

        Assert.True(rows.Count > 30, $"Only {rows.Count} defaults were found.");
        Assert.All(rows, row => Assert.Equal(byDefault, Settings(row).ToString()));

        static ServerSettings Settings(params (string Key, string Value)[] set)
        {
            var reader = new SettingsReader(set.Select(s => new Setting(Setting.Canonical(s.Key), s.Key, s.Value, "docs/spec/configuration.md")));
            var settings = ServerSettings.Read(reader, "/nowhere", new Dictionary<string, string>());
            reader.Finish();
            return settings;
        }
    }

    [Fact]
    public async Task Every_instrument_is_documented_and_no_other()
    {
        var names = new HashSet<string>(StringComparer.Ordinal);
        using var listener = new MeterListener
        {
            InstrumentPublished = (instrument, _) =>
            {
                lock (names)
                {
                    if (instrument.Meter.Name == MetricNames.Meter)
                    {
                        names.Add(instrument.Name);
                    }
                }
            },
        };
        listener.Start();
        await using var server = await ControlServer.StartAsync();
        server.Services.GetRequiredService<InvocationMetrics>();
        server.Services.GetRequiredService<BillingMetrics>();
        server.Services.GetRequiredService<ConnectionMetrics>();
        server.Services.GetRequiredService<PrefetchMetrics>();

        var documented = Instrument().Matches(Page("metrics.md")).Select(m => m.Groups[1].Value).Distinct();

        Assert.Equal(names.Order(StringComparer.Ordinal), documented.Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task Metrics_are_scraped_in_the_prometheus_form()
    {
        await using var server = await ControlServer.StartAsync();
        server.Services.GetRequiredService<MetricsExport>().Begin();
        server.Services.GetRequiredService<InvocationMetrics>().Refused("digits", ProblemCode.QueueTimeout);

        var text = await server.Admin.GetStringAsync("/metrics", Cancellation);

        Assert.Contains("dormouse_invocation_refusals", text, StringComparison.Ordinal);
        Assert.Contains("code=\"queue_timeout\"", text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_doctor_shows_fall_backs_and_stays_healthy()
    {
        await using var server = await ControlServer.StartAsync();
        (await server.DeployAsync("digits", "good")).EnsureSuccessStatusCode();

        using var response = await server.Admin.GetAsync("/api/v1/doctor", Cancellation);
        using var whole = await server.Admin.GetAsync("/api/v1/doctor?full=true", Cancellation);

        var report = await ControlServer.ReadAsync(response, Protocol.Control.ControlJson.Default.DoctorReport);
        Assert.True(report.Healthy);
        var status = report.Checks.ToDictionary(c => c.Name, c => c.Status);
        Assert.Equal(("ok", "warning", "ok", "ok", "ok"), (status["launcher"], status["cgroups"], status["engine"], status["ledger"], status["data folder"]));
        Assert.Matches("^Every total since .* UTC equals the sum of its receipts", report.Checks.Single(c => c.Name == "ledger").Detail);
        var full = await ControlServer.ReadAsync(whole, Protocol.Control.ControlJson.Default.DoctorReport);
        Assert.Equal("Every total equals the sum of its receipts.", full.Checks.Single(c => c.Name == "ledger").Detail);
    }

    [Fact]
    public void Every_address_of_the_inference_protocol_is_documented()
    {
        var page = Page("inference.md");
        var served = DataPlaneDescriptions.All.Where(d => d.Key.StartsWith("/v2", StringComparison.Ordinal) && !d.Key.Contains("generate", StringComparison.Ordinal));

        Assert.All(served, d => Assert.Contains($"`{d.Value.Method} {d.Key}`", page, StringComparison.Ordinal));
    }

    [Fact]
    public void Every_member_of_a_signature_is_documented_and_no_other()
    {
        var members = Members(typeof(PictureInput)).Select(m => "picture." + m).Concat(Members(typeof(LabelsOutput)).Select(m => "labels." + m));

        var documented = Page("inference.md").Split('\n').Where(l => l.StartsWith("| `", StringComparison.Ordinal))
            .SelectMany(l => SignatureMember().Matches(l.Split('|')[1])).Select(m => m.Groups[1].Value);

        Assert.Equal(members.Order(StringComparer.Ordinal), documented.Order(StringComparer.Ordinal));

        static IEnumerable<string> Members(Type type) => type.GetProperties().Select(p => JsonNamingPolicy.SnakeCaseLower.ConvertName(p.Name));
    }

    [Fact]
    public void Every_word_of_a_start_is_documented()
    {
        var page = Page("inference.md");
        string[] words = [.. Enum.GetValues<StartKind>().Select(Words.Of), .. Enum.GetValues<StartCause>().Select(Words.Of), .. Enum.GetValues<Rung>().Select(Words.Of)];

        Assert.All(words, word => Assert.Matches($"`{word}[`;]", page));
    }

    private static string Page(string name) => File.ReadAllText(Path.Combine(Checkout.Root, "docs", "spec", name));

    [GeneratedRegex(@"`(GET|HEAD|PUT|POST|PATCH|DELETE) (/api/v1/[^ `?]+)")]
    private static partial Regex Operation();

    [GeneratedRegex(@"`((?:picture|labels)\.[a-z]+)`")]
    private static partial Regex SignatureMember();

    [GeneratedRegex("\"#/components/schemas/([A-Za-z]+)\"")]
    private static partial Regex Reference();

    [GeneratedRegex(@"^\| `([a-z0-9]+(?:\.[a-z_]+)?)`", RegexOptions.Multiline)]
    private static partial Regex Key();

    [GeneratedRegex(@"^\| `([a-z0-9]+(?:\.[a-z_]+)?)` \| ([0-9][0-9.]*[A-Za-z]*|true|false|auto|best|sqlite|python3|uv|information|text|USD) \|", RegexOptions.Multiline)]
    private static partial Regex Default();

    [GeneratedRegex(@"^\| `(dormouse\.[a-z_.]+)`", RegexOptions.Multiline)]
    private static partial Regex Instrument();
}
