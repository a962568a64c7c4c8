namespace Dormouse.Server.Hosting.Settings;

/// <summary>Where the server listens and keeps its data.</summary>
internal sealed record HostingSettings
{
    public const string ListenKey = "server.listen";
    public const string GrpcListenKey = "server.grpc_listen";
    public const string CertificateKey = "server.tls_certificate";
    public const string PrivateKeyKey = "server.tls_key";

    /// <summary>HTTP/1.1; with TLS HTTP/2 as well. Default http://127.0.0.1:8080.</summary>
    public required ListenAddress Listen { get; init; }

    /// <summary>gRPC. Default: the same host, with TLS the same port, else the next one.</summary>
    public required ListenAddress GrpcListen { get; init; }

    /// <summary>Both are one socket, which only TLS can tell HTTP/1.1 and HTTP/2 apart on.</summary>
    public bool SharesPort => Listen.IsTls && GrpcListen == Listen;

    /// <summary>Absolute path of a PEM file with the certificate, and behind it those that lead to its root. Not null where an address is https.</summary>
    public string? CertificatePath { get; init; }

    /// <summary>Absolute path of a PEM file with the certificate's private key, unencrypted. Not null where an address is https.</summary>
    public string? PrivateKeyPath { get; init; }

    /// <summary>Absolute path.</summary>
    public required string DataFolder { get; init; }

    /// <summary>Largest request body of an invocation. Default 100 MiB, 1 KiB to 16 GiB.</summary>
    public required long BodyLimitBytes { get; init; }

    /// <summary>Absolute path of the folder for bodies over 1 MiB that wait for a slot. Default: the system's folder for temporary files.</summary>
    public required string SpoolFolder { get; init; }

    /// <summary>Callers connected at once, 16 to 1,000,000. Null = as many as the limit of open files is enough for, at most 20,000.</summary>
    public int? ConnectionsMax { get; init; }

    /// <summary>Connections from one address that is not this machine's, 1 to 1,000,000. Null = a quarter of all.</summary>
    public int? ConnectionsPerAddressMax { get; init; }

    /// <summary>How long a stop waits for running invocations. Default 30 s, 0 to 10 min.</summary>
    public required TimeSpan ShutdownTimeout { get; init; }

    public static HostingSettings Read(SettingsReader reader, string? folder, string defaultFolder)
    {
        var listen = reader.ParseText(ListenKey, new ListenAddress(System.Net.IPAddress.Loopback, 8080), ListenAddress.Parse, ListenAddress.Allowed);
        var next = listen.IsTls ? listen : listen with { Port = listen.Port is 0 or 65535 ? 0 : listen.Port + 1 };
        var grpc = reader.ParseText(GrpcListenKey, next, ListenAddress.Parse, ListenAddress.Allowed);
        if (listen.Port != 0 && grpc == listen with { IsTls = grpc.IsTls } && !(grpc.IsTls && listen.IsTls))
        {
            reader.Fault($"{GrpcListenKey} is '{grpc}', the same as {ListenKey}; give it a port of its own (HTTP/1.1 and HTTP/2 can share one only where both are https).");
        }

        var certificate = reader.Text(CertificateKey);
        var privateKey = reader.Text(PrivateKeyKey) ?? certificate;
        if ((listen.IsTls || grpc.IsTls) && certificate is null)
        {
            reader.Fault($"{(listen.IsTls ? ListenKey : GrpcListenKey)} is '{(listen.IsTls ? listen : grpc)}', which needs a certificate: give the path of a PEM file with {CertificateKey}, and of its private key with {PrivateKeyKey}.");
        }
        else if (!(listen.IsTls || grpc.IsTls) && privateKey is not null)
        {
            reader.Fault($"{(certificate is null ? PrivateKeyKey : CertificateKey)} is given, and nothing listens with TLS: write {ListenKey} with https://, such as https://*:8443, or leave it out.");
        }

        // Asked for also when the command line or DORMOUSE_DATA has the last word, so that it counts as known.
        var set = reader.Text("server.data");
        return new HostingSettings
        {
            Listen = listen,
            GrpcListen = grpc,
            CertificatePath = certificate is null ? null : Path.GetFullPath(certificate),
            PrivateKeyPath = privateKey is null ? null : Path.GetFullPath(privateKey),
            DataFolder = Path.GetFullPath(folder ?? set ?? defaultFolder),
            BodyLimitBytes = reader.SizeBytes("server.body_limit", 100L << 20, 1L << 10, 16L << 30),
            SpoolFolder = Path.GetFullPath(reader.ParseText("server.spool_folder", Path.GetTempPath(), text => Directory.Exists(text) ? text : null, "a folder that is there")),
            ConnectionsMax = reader.Number("server.connections_max", 16, 1_000_000),
            ConnectionsPerAddressMax = reader.Number("server.connections_per_address_max", 1, 1_000_000),
            ShutdownTimeout = reader.Duration("server.shutdown_timeout", TimeSpan.FromSeconds(30), TimeSpan.Zero, TimeSpan.FromMinutes(10)),
        };
    }
}
