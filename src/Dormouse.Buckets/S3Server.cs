using Amazon;
using Amazon.Runtime;
using Amazon.S3;

namespace Dormouse.Buckets;

/// <summary>An S3-compatible server and who asks it. How such servers are spoken to stands here only, for buckets of files, inputs of batch jobs and sources of triggers.</summary>
public sealed record S3Server
{
    private static readonly TimeSpan ConnectTime = TimeSpan.FromSeconds(5);

    /// <summary>Null = AWS.</summary>
    public Uri? Endpoint { get; init; }

    /// <summary>Region that requests are signed for; null = us-east-1 with an endpoint, else what the environment says.</summary>
    public string? Region { get; init; }

    /// <summary>The bucket is the first part of the path, not of the host's name.</summary>
    public bool UsesPathStyle { get; init; }

    /// <summary>Null = from the usual places.</summary>
    public AWSCredentials? Credentials { get; init; }

    /// <summary>Makes its connections; null = the SDK does.</summary>
    public HttpClientFactory? Connections { get; init; }

    /// <summary>Until an answer begins.</summary>
    public required TimeSpan AnswerTime { get; init; }

    /// <summary>Further tries of a request that failed.</summary>
    public required int Retries { get; init; }

    public AmazonS3Client Client()
    {
        var config = new AmazonS3Config
        {
            ForcePathStyle = UsesPathStyle,
            ConnectTimeout = ConnectTime,
            Timeout = AnswerTime,
            MaxErrorRetry = Retries,
            HttpClientFactory = Connections,
            // Further checksums are of newer servers only.
            RequestChecksumCalculation = RequestChecksumCalculation.WHEN_REQUIRED,
            ResponseChecksumValidation = ResponseChecksumValidation.WHEN_REQUIRED,
        };
        if (Endpoint is { } endpoint)
        {
            config.ServiceURL = endpoint.ToString();
            config.AuthenticationRegion = Region ?? "us-east-1";
        }
        else if (Region is { } region)
        {
            config.RegionEndpoint = RegionEndpoint.GetBySystemName(region);
        }

        return Credentials is { } credentials ? new AmazonS3Client(credentials, config) : new AmazonS3Client(config);
    }
}
