using Amazon;
using Amazon.Runtime;
using Amazon.Runtime.CredentialManagement;
using Amazon.S3;

namespace Dormouse.Buckets;

/// <summary>Makes clients as an operator set them.</summary>
internal static class S3Client
{
    private static readonly TimeSpan ConnectTime = TimeSpan.FromSeconds(5);

    /// <summary>Until an answer begins: a piece must have been taken by then.</summary>
    private static readonly TimeSpan AnswerTime = TimeSpan.FromMinutes(2);

    public static AmazonS3Client Of(S3BucketOptions options)
    {
        var config = new AmazonS3Config
        {
            ForcePathStyle = options.UsesPathStyle,
            ConnectTimeout = ConnectTime,
            Timeout = AnswerTime,
            MaxErrorRetry = 2,
            // Further checksums are of newer servers only; every file of ours is compared with its SHA-256 in any case.
            RequestChecksumCalculation = RequestChecksumCalculation.WHEN_REQUIRED,
            ResponseChecksumValidation = ResponseChecksumValidation.WHEN_REQUIRED,
        };
        if (options.Endpoint is { } endpoint)
        {
            config.ServiceURL = endpoint.ToString();
            config.AuthenticationRegion = options.Region ?? "us-east-1";
        }
        else if (options.Region is { } region)
        {
            config.RegionEndpoint = RegionEndpoint.GetBySystemName(region);
        }

        if (options.AccessKey is { } key)
        {
            return new AmazonS3Client(new BasicAWSCredentials(key, options.SecretKey ?? ""), config);
        }

        if (options.Profile is { } profile)
        {
            return new CredentialProfileStoreChain().TryGetAWSCredentials(profile, out var credentials)
                ? new AmazonS3Client(credentials, config)
                : throw new AmazonClientException($"there is no profile '{profile}'");
        }

        return new AmazonS3Client(config);
    }
}
