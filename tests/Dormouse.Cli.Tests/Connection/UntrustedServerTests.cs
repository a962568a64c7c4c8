using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Dormouse.Cli.Terminal;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Dormouse.Cli.Tests.Connection;

public sealed class UntrustedServerTests : IDisposable
{
    private readonly Shell _shell = new();

    [Fact]
    public async Task A_certificate_that_nobody_trusts_is_said_to_be_that_and_what_to_do()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var certificate = new CertificateRequest("CN=stranger", key, HashAlgorithmName.SHA256).CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0, listen => listen.UseHttps(certificate)));
        await using var server = builder.Build();
        var wasAsked = false;
        server.Run(context =>
        {
            wasAsked = true;
            return context.Response.WriteAsync("[]");
        });
        await server.StartAsync(TestContext.Current.CancellationToken);
        var address = server.Urls.Single();

        var result = await _shell.RunAsync("list", "--server", address);

        Assert.Equal(ExitCodes.Unreachable, result.Code);
        Assert.StartsWith("https://", address, StringComparison.Ordinal);
        Assert.Contains($"The server at {address} shows no certificate that is trusted here", result.Error, StringComparison.Ordinal);
        Assert.Contains("SSL_CERT_FILE", result.Error, StringComparison.Ordinal);
        Assert.False(wasAsked);
    }

    public void Dispose() => _shell.Dispose();
}
