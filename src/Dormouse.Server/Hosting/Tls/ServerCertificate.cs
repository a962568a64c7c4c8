using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Dormouse.Server.Hosting.Settings;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Dormouse.Server.Hosting.Tls;

/// <summary>
/// The certificate that the server shows, from PEM files. Files that changed are read again at the next handshake, at most once in <see cref="LookEvery"/>, so that a renewed certificate needs no
/// restart; while they cannot be read the last good one is shown and the log says why.
/// </summary>
internal sealed partial class ServerCertificate
{
    private static readonly TimeSpan LookEvery = TimeSpan.FromSeconds(1);

    private readonly string _certificatePath;
    private readonly string _privateKeyPath;
    private readonly TimeProvider _time;
    private readonly ILogger _log;
    private readonly Lock _lock = new();
    private long _lookedAt;
    private (DateTime, DateTime) _written;
    private SslServerAuthenticationOptions _options;

    /// <exception cref="ServerStartException">The files cannot be read, or are no certificate with its key.</exception>
    internal ServerCertificate(string certificatePath, string privateKeyPath, TimeProvider time, ILogger log)
    {
        (_certificatePath, _privateKeyPath, _time, _log) = (certificatePath, privateKeyPath, time, log);
        _lookedAt = time.GetTimestamp();
        _written = Written();
        try
        {
            _options = Read();
        }
        catch (Exception e) when (IsAboutFiles(e))
        {
            throw new ServerStartException(ServerStartFailure.Settings, $"{Words(e)} {HostingSettings.CertificateKey} is a PEM file with the certificate, {HostingSettings.PrivateKeyKey} one with its private key, unencrypted (default: the same file).", e);
        }
    }

    /// <summary>What Kestrel asks at each handshake.</summary>
    public TlsHandshakeCallbackOptions Handshake => new() { OnConnection = _ => ValueTask.FromResult(Current()) };

    /// <exception cref="ServerStartException">The files cannot be read, or are no certificate with its key.</exception>
    public static ServerCertificate Open(HostingSettings settings, IServiceProvider services) => new(
        settings.CertificatePath!, settings.PrivateKeyPath!, // Not null: an address is https.
        services.GetRequiredService<TimeProvider>(), services.GetRequiredService<ILogger<ServerCertificate>>());

    private SslServerAuthenticationOptions Current()
    {
        lock (_lock)
        {
            if (_time.GetElapsedTime(_lookedAt) >= LookEvery)
            {
                _lookedAt = _time.GetTimestamp();
                if (Written() is var written && written != _written)
                {
                    _written = written;
                    ReadAgain();
                }
            }

            return _options;
        }
    }

    private void ReadAgain()
    {
        try
        {
            // What the old one holds is left to the collector: handshakes that go on use it.
            _options = Read();
            LogRenewed(_certificatePath);
        }
        catch (Exception e) when (IsAboutFiles(e))
        {
            LogNotRenewed(Words(e));
        }
    }

    private SslServerAuthenticationOptions Read()
    {
        var own = X509Certificate2.CreateFromPemFile(_certificatePath, _privateKeyPath);
        var chain = new X509Certificate2Collection();
        chain.ImportFromPemFile(_certificatePath);
        return new SslServerAuthenticationOptions
        {
            // Nothing is fetched from anywhere: what callers need to find the root has to be in the file.
            ServerCertificateContext = SslStreamCertificateContext.Create(own, chain, offline: true),
        };
    }

    /// <summary>Times of the last change of both files; the first moment there is for one that is not there.</summary>
    private (DateTime, DateTime) Written() => (File.GetLastWriteTimeUtc(_certificatePath), File.GetLastWriteTimeUtc(_privateKeyPath));

    private string Words(Exception fault) => fault is CryptographicException or ArgumentException
        ? $"{_certificatePath} with the key in {_privateKeyPath} is no certificate that can be used: {fault.Message}"
        : $"The certificate cannot be read: {fault.Message}";

    private static bool IsAboutFiles(Exception fault) => fault is IOException or UnauthorizedAccessException or CryptographicException or ArgumentException;

    [LoggerMessage(EventId = 1203, EventName = "CertificateRenewed", Level = LogLevel.Information, Message = "The certificate in {Path} was read again and is shown from now on.")]
    private partial void LogRenewed(string path);

    [LoggerMessage(EventId = 1204, EventName = "CertificateNotRenewed", Level = LogLevel.Error, Message = "The certificate changed and is not used, the one before is shown on. {Reason}")]
    private partial void LogNotRenewed(string reason);
}
