using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization.Metadata;
using Dormouse.Protocol.Problems;
using Dormouse.Server.Errors;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace Dormouse.Server.Control;

/// <summary>Reads and writes the control plane's JSON. Members that are not known are ignored; anything that does not fit is <c>request_invalid</c> with its place.</summary>
internal static class JsonBody
{
    /// <summary>Largest JSON request: a package of 10,000 files and a full environment fit.</summary>
    public const long BytesMax = 16L << 20;

    /// <summary>Null after the problem was written.</summary>
    public static async Task<T?> ReadAsync<T>(HttpContext context, JsonTypeInfo<T> type)
        where T : class
    {
        if (context.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } limit)
        {
            limit.MaxRequestBodySize = BytesMax;
        }

        string reason;
        try
        {
            var value = await JsonSerializer.DeserializeAsync(context.Request.Body, type, context.RequestAborted);
            if (value is not null)
            {
                return value;
            }

            reason = "The body is 'null'; a JSON object is expected.";
        }
        catch (JsonException e)
        {
            reason = Reason(e);
        }

        await Problems.WriteAsync(context, ProblemCode.RequestInvalid, reason);
        return null;
    }

    public static Task WriteAsync<T>(HttpContext context, T value, JsonTypeInfo<T> type, int status = StatusCodes.Status200OK) =>
        WriteAsync(context, JsonSerializer.SerializeToUtf8Bytes(value, type), status);

    public static Task WriteAsync(HttpContext context, JsonObject document) => WriteAsync(context, Encoding.UTF8.GetBytes(document.ToJsonString()), StatusCodes.Status200OK);

    private static async Task WriteAsync(HttpContext context, byte[] body, int status)
    {
        context.Response.StatusCode = status;
        context.Response.ContentType = "application/json";
        context.Response.ContentLength = body.Length;
        await context.Response.Body.WriteAsync(body, context.RequestAborted);
    }

    /// <summary>The place and kind of the fault, without the names of our types that the serializer's own message holds.</summary>
    private static string Reason(JsonException exception)
    {
        var message = exception.Message;
        var required = message.IndexOf("including: ", StringComparison.Ordinal);
        if (required >= 0)
        {
            return $"The body lacks {message[(required + "including: ".Length)..].TrimEnd('.')}.";
        }

        var line = ((exception.LineNumber ?? 0) + 1).ToString(CultureInfo.InvariantCulture);
        var column = ((exception.BytePositionInLine ?? 0) + 1).ToString(CultureInfo.InvariantCulture);
        var path = exception.Path is { Length: > 1 } at ? $" at {at}" : "";
        return message.StartsWith("The JSON value could not be converted", StringComparison.Ordinal)
            ? $"The body's value{path} (line {line}, byte {column}) is of the wrong type."
            : $"The body is not valid JSON{path} (line {line}, byte {column}).";
    }
}
