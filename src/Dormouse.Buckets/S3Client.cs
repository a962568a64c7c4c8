using Amazon.Runtime;
using Amazon.Runtime.CredentialManagement;
using Amazon.S3;

namespace Dormouse.Buckets;

/// <summary>Makes clients as an operator set them.</summary>
internal static class S3Client
{
    /// <summary>A piece must have been taken by then.</summary>
    private static readonly TimeSpan AnswerTime = TimeSpan.FromMinutes(2);

    public static AmazonS3Client Of(S3BucketOptions options) => new S3Server
    {
        Endpoint = options.Endpoint,
        Region = options.Region,
        UsesPathStyle = options.UsesPathStyle,
        Credentials = Credentials(options),
        AnswerTime = AnswerTime,
        Retries = 2,
    }.Client();

    private static AWSCredentials? Credentials(S3BucketOptions options)
    {
        if (options.AccessKey is { } key)
        {
            return new BasicAWSCredentials(key, options.SecretKey ?? "");
        }

        if (options.Profile is not { } profile)
        {
            return null;
        }

        return new CredentialProfileStoreChain().TryGetAWSCredentials(profile, out var credentials) ? credentials : throw new AmazonClientException($"there is no profile '{profile}'");
    }
}
