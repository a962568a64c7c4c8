using Dormouse.Server.Hosting;
using Dormouse.Server.Hosting.Settings;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using OpenTelemetry;
using OpenTelemetry.Exporter;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;

namespace Dormouse.Server.Telemetry;

/// <summary>
/// OpenTelemetry, begun after the server listens so that loading it delays nobody: <c>/metrics</c> for Prometheus, and OTLP to a collector when one is set.
/// What is counted before it begins (some tenths of a second) is not exported.
/// </summary>
internal sealed class MetricsExport(TelemetrySettings settings, IServiceProvider services) : IDisposable
{
    private const string Path = "/metrics";

    private readonly Lock _beginning = new();
    private MeterProvider? _provider;
    private RequestDelegate? _scrape;

    /// <summary>Idempotent.</summary>
    public void Begin()
    {
        lock (_beginning)
        {
            if (_provider is not null)
            {
                return;
            }

            var builder = Sdk.CreateMeterProviderBuilder()
                .SetResourceBuilder(ResourceBuilder.CreateDefault().AddService("dormouse", serviceVersion: ServerVersion.Text))
                .AddMeter(MetricNames.Meter)
                .AddMeter("Microsoft.AspNetCore.Hosting", "Microsoft.AspNetCore.Server.Kestrel", "System.Runtime")
                .AddPrometheusExporter(options => options.ScrapeEndpointPath = Path);
            if (settings.OtlpEndpoint is { } collector)
            {
                builder.AddOtlpExporter(options =>
                {
                    options.Endpoint = collector;
                    options.Protocol = OtlpExportProtocol.Grpc;
                });
            }

            _provider = builder.Build();
            var branch = new ApplicationBuilder(services);
            branch.UseOpenTelemetryPrometheusScrapingEndpoint(_provider, null, Path, null, null);
            _scrape = branch.Build();
        }
    }

    /// <summary>Answers a scrape in the Prometheus text form.</summary>
    public Task ScrapeAsync(HttpContext context)
    {
        Begin();
        return _scrape!(context); // Begin has set it.
    }

    public void Dispose() => _provider?.Dispose();
}
