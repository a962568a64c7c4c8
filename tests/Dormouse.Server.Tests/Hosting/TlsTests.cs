using System.Net;
using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Dormouse.Server.Hosting;
using Dormouse.Server.Hosting.Tls;
using Grpc.Health.V1;
using Grpc.Net.Client;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;

namespace Dormouse.Server.Tests.Hosting;

public sealed class TlsTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("dormouse-tls-").FullName;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private string CertificatePath => Path.Combine(_folder, "certificate.pem");

    private string KeyPath => Path.Combine(_folder, "key.pem");

    [Fact]
    public async Task Http_and_grpc_share_the_port_and_show_the_certificate()
    {
        var shown = Write("first");
        await using var server = await StartAsync("https://127.0.0.1:0");

        Assert.StartsWith("https://127.0.0.1:", server.Addresses.Http, StringComparison.Ordinal);
        Assert.Equal(server.Addresses.Http, server.Addresses.Grpc);
        using var http = Trusting(shown);
        foreach (var version in (Version[])[HttpVersion.Version11, HttpVersion.Version20])
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, server.Addresses.Http + "/health") { Version = version, VersionPolicy = HttpVersionPolicy.RequestVersionExact };
            using var response = await http.SendAsync(request, Cancellation);
            Assert.Equal((HttpStatusCode.OK, version), (response.StatusCode, response.Version));
        }

        using var channel = GrpcChannel.ForAddress(server.Addresses.Grpc, new GrpcChannelOptions { HttpClient = http });
        Assert.Equal(HealthCheckResponse.Types.ServingStatus.Serving, (await new Health.HealthClient(channel).CheckAsync(new HealthCheckRequest(), cancellationToken: Cancellation)).Status);
    }

    [Fact]
    public async Task Nothing_is_said_in_plain_and_a_stranger_does_not_trust_it()
    {
        Write("first");
        await using var server = await StartAsync("https://127.0.0.1:0");

        using var http = new HttpClient();
        await Assert.ThrowsAsync<HttpRequestException>(() => http.GetAsync(server.Addresses.Http + "/health", Cancellation));
        await Assert.ThrowsAsync<HttpRequestException>(() => http.GetAsync(server.Addresses.Http.Replace("https:", "http:", StringComparison.Ordinal) + "/health", Cancellation));
    }

    [Fact]
    public async Task One_address_may_be_plain_and_the_other_not()
    {
        var shown = Write("first");
        await using var server = await StartAsync("http://127.0.0.1:0", "https://127.0.0.1:0");

        using var http = Trusting(shown);
        Assert.Equal(HttpStatusCode.OK, (await http.GetAsync(server.Addresses.Http + "/health", Cancellation)).StatusCode);
        using var grpc = new HttpRequestMessage(HttpMethod.Get, server.Addresses.Grpc + "/health") { Version = HttpVersion.Version20, VersionPolicy = HttpVersionPolicy.RequestVersionExact };
        Assert.Equal(HttpStatusCode.OK, (await http.SendAsync(grpc, Cancellation)).StatusCode);
    }

    [Theory]
    [InlineData("absent", "cannot be read")]
    [InlineData("garbage", "is no certificate that can be used")]
    [InlineData("other key", "is no certificate that can be used")]
    public async Task A_certificate_that_cannot_be_used_is_refused_with_the_reason(string what, string reason)
    {
        if (what != "absent")
        {
            Write("first");
            await File.WriteAllTextAsync(KeyPath, what == "garbage" ? "-----BEGIN PRIVATE KEY-----" : ECDsa.Create().ExportPkcs8PrivateKeyPem(), Cancellation);
        }

        var fault = await Assert.ThrowsAsync<ServerStartException>(() => StartAsync("https://127.0.0.1:0"));

        Assert.Equal(ServerStartFailure.Settings, fault.Failure);
        Assert.Contains(reason, fault.Message, StringComparison.Ordinal);
        Assert.Contains("server.tls_key", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_renewed_certificate_is_shown_without_a_restart_and_a_broken_one_never()
    {
        Write("first");
        var time = new FakeTimeProvider();
        var certificate = new ServerCertificate(CertificatePath, KeyPath, time, NullLogger.Instance);
        Assert.Equal("CN=first", await ShownAsync(certificate));

        Write("second");
        Assert.Equal("CN=first", await ShownAsync(certificate));
        time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal("CN=second", await ShownAsync(certificate));

        await File.WriteAllTextAsync(CertificatePath, "half wri", Cancellation);
        File.SetLastWriteTimeUtc(CertificatePath, DateTime.UtcNow.AddMinutes(1));
        time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal("CN=second", await ShownAsync(certificate));

        Write("third");
        File.SetLastWriteTimeUtc(CertificatePath, DateTime.UtcNow.AddMinutes(2));
        time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal("CN=third", await ShownAsync(certificate));
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    /// <summary>A client that trusts exactly this certificate, also over HTTP/2.</summary>
    private static HttpClient Trusting(string thumbprint) => new(new SocketsHttpHandler
    {
        SslOptions = new SslClientAuthenticationOptions { RemoteCertificateValidationCallback = (_, shown, _, _) => shown is X509Certificate2 own && own.Thumbprint == thumbprint },
    });

    private static async Task<string> ShownAsync(ServerCertificate certificate)
    {
        var options = await certificate.Handshake.OnConnection(new TlsHandshakeCallbackContext());
        return options.ServerCertificateContext!.TargetCertificate.Subject; // It is always set.
    }

    /// <summary>A new certificate that signs itself; returns its thumbprint.</summary>
    private string Write(string name)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddIpAddress(IPAddress.Loopback);
        request.CertificateExtensions.Add(names.Build());
        using var certificate = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
        File.WriteAllText(KeyPath, key.ExportPkcs8PrivateKeyPem());
        File.WriteAllText(CertificatePath, certificate.ExportCertificatePem());
        return certificate.Thumbprint;
    }

    private Task<DormouseServer> StartAsync(string listen, string? grpc = null) => DormouseServer.StartAsync(
        new ServerOptions
        {
            DataFolder = Path.Combine(_folder, "data"),
            Listen = listen,
            GrpcListen = grpc,
            TlsCertificate = CertificatePath,
            TlsKey = KeyPath,
            Environment = new Dictionary<string, string> { ["DORMOUSE_WORKER_PATH"] = "/bin/true", ["DORMOUSE_LAUNCHER_PATH"] = "/bin/true", ["DORMOUSE_LOGGING__LEVEL"] = "error" },
        },
        Cancellation);
}
