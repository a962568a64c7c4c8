using Amazon.Runtime;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Events;

namespace Dormouse.Brokers.Aws;

/// <summary>Where a service that speaks AWS's protocols is, and who asks: what a trigger or a destination says, else the usual AWS variables of the server's environment. The metadata service of a cloud is never asked.</summary>
/// <param name="Url">Of the service; null = AWS's own of the region.</param>
internal sealed record AwsAccess(string? Url, string Region, AWSCredentials Credentials)
{
    private const string RegionDefault = "us-east-1";

    /// <summary>The keys of a source that say it. Their names have <paramref name="prefix"/> before them where another service has the plain ones.</summary>
    public static SourceKey[] Keys(string service, string prefix = "") =>
    [
        new(prefix + "url", false, $"address of the service, such as http://127.0.0.1:9000. Default: AWS_ENDPOINT_URL_{service}, AWS_ENDPOINT_URL, else AWS's own"),
        new(prefix + "region", false, "region that requests are signed for. Default: AWS_REGION, AWS_DEFAULT_REGION, else us-east-1"),
        new(prefix + "access_key", false, "id of the access key; its secret is in password_env. Default: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"),
        new(prefix + SourceText.PasswordKey.Name, false, SourceText.PasswordKey.Description),
    ];

    public static string? Fault(IReadOnlyDictionary<string, string> source, string prefix = "")
    {
        if (source.TryGetValue(prefix + "url", out var url) && !IsAddress(url))
        {
            return $"'{prefix}url' is '{ShownText.Of(url)}'; allowed is an http:// or https:// address without user, such as http://127.0.0.1:9000.";
        }

        return source.ContainsKey(prefix + "access_key") != source.ContainsKey(prefix + SourceText.PasswordKey.Name)
            ? $"'{prefix}access_key' and '{prefix}{SourceText.PasswordKey.Name}' are given together, or neither."
            : SourceText.PasswordFault(source, prefix);
    }

    /// <exception cref="IOException">The environment lacks what they need.</exception>
    public static AwsAccess Of(IReadOnlyDictionary<string, string> source, string service, string prefix = "") => new(
        source.GetValueOrDefault(prefix + "url") ?? Variable("AWS_ENDPOINT_URL_" + service) ?? Variable("AWS_ENDPOINT_URL"),
        source.GetValueOrDefault(prefix + "region") ?? Variable("AWS_REGION") ?? Variable("AWS_DEFAULT_REGION") ?? RegionDefault,
        Who(source, prefix));

    public static bool IsAddress(string text) => Uri.TryCreate(text, UriKind.Absolute, out var url) && url.Scheme is "http" or "https" && url.UserInfo.Length == 0;

    private static AWSCredentials Who(IReadOnlyDictionary<string, string> source, string prefix)
    {
        if (source.TryGetValue(prefix + "access_key", out var key))
        {
            return new BasicAWSCredentials(key, SourceText.Password(source, prefix));
        }

        if (Variable("AWS_ACCESS_KEY_ID") is not { } id || Variable("AWS_SECRET_ACCESS_KEY") is not { } secret)
        {
            throw new IOException($"there is no '{prefix}access_key', and the server's environment no AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY");
        }

        return Variable("AWS_SESSION_TOKEN") is { } token ? new SessionAWSCredentials(id, secret, token) : new BasicAWSCredentials(id, secret);
    }

    private static string? Variable(string name) => Environment.GetEnvironmentVariable(name) is { Length: > 0 } value ? value : null;
}
