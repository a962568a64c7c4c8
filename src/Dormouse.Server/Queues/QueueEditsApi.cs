using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json;
using Dormouse.Core.Queues;
using Dormouse.Protocol.Control;
using Dormouse.Protocol.Problems;
using Dormouse.Server.Control;
using Dormouse.Server.Errors;
using Dormouse.Server.Gateway;
using Dormouse.Server.Hosting.Settings;
using Microsoft.AspNetCore.Http;
using Microsoft.Net.Http.Headers;

namespace Dormouse.Server.Queues;

/// <summary>The request of an asynchronous invocation: what it is and was, and changes of one that ended without success.</summary>
internal sealed class QueueEditsApi(IQueueStore store, QueueViews views, ReceiptReader reader, WholeBodies bodies, QueuesSettings settings, TimeProvider time)
{
    /// <summary>Most headers that one call changes.</summary>
    private const int HeadersMax = 64;

    /// <summary>Longest value of a header, and longest query, characters.</summary>
    private const int ValueLengthMax = 8 * 1024;

    public async Task RequestAsync(ControlCall call)
    {
        if (await FindAsync(call) is { } found)
        {
            var request = found.Request;
            await JsonBody.WriteAsync(
                call.Http,
                new QueuedRequestInfo(request.Method, request.Target, request.Version, [.. request.Headers.Select(h => ImmutableArray.Create(h.Key, h.Value))], found.BodyBytes),
                ControlJson.Default.QueuedRequestInfo);
        }
    }

    public async Task BodyAsync(ControlCall call)
    {
        if (await FindAsync(call) is not { } found)
        {
            return;
        }

        if (found.Body is not { } body)
        {
            await RefuseAsync(call, ProblemCode.ResultMissing, "The invocation has succeeded: its body is not kept any more. What it was before an edit of the body is: ask with ?before=.");
            return;
        }

        var response = call.Http.Response;
        foreach (var (name, value) in found.Request.Headers.Where(h => Is(h.Key, HeaderNames.ContentType) || EditRule.DescribesBody(h.Key)))
        {
            response.Headers.Append(name, value);
        }

        response.ContentLength = body.Length;
        await response.Body.WriteAsync(body, call.Cancellation);
    }

    /// <summary>The new body comes with the headers that describe it.</summary>
    public async Task PutBodyAsync(ControlCall call)
    {
        await using var sent = await bodies.ReadAsync(call.Http, settings.BodyLimitBytes);
        if (sent.Problem is { } unread)
        {
            call.Http.Response.Headers.Connection = "close";
            await RefuseAsync(call, unread.Code, unread.Code == ProblemCode.BodyTooLarge
                ? $"The new body is larger than the {settings.BodyLimitBytes} bytes that are queued. Send less, or let the operator raise queues.body_limit."
                : unread.Detail);
            return;
        }

        var body = sent.Bytes;
        ImmutableArray<KeyValuePair<string, string>> headers =
            [.. call.Http.Request.Headers.Where(h => Is(h.Key, HeaderNames.ContentType) || EditRule.DescribesBody(h.Key)).Select(h => KeyValuePair.Create(h.Key, h.Value.ToString()))];
        if (await ItemAsync(call) is not { } item)
        {
            return;
        }

        if (Fault(item, headers, body) is { } fault)
        {
            await RefuseAsync(call, ProblemCode.RequestInvalid, fault);
            return;
        }

        await EditAsync(call, item, new RequestEdit { Body = body, SetHeaders = headers });
    }

    public async Task PatchAsync(ControlCall call)
    {
        if (await JsonBody.ReadAsync(call.Http, ControlJson.Default.RequestPatch) is not { } patch || await ItemAsync(call) is not { } item)
        {
            return;
        }

        var headers = patch.Headers ?? ImmutableDictionary<string, string?>.Empty;
        var target = Target(item);
        foreach (var (name, value) in headers)
        {
            if (HeaderFault(name, value, target) is { } fault)
            {
                await RefuseAsync(call, ProblemCode.RequestInvalid, fault);
                return;
            }
        }

        if (headers.Count > HeadersMax || headers.Keys.Distinct(StringComparer.OrdinalIgnoreCase).Count() < headers.Count)
        {
            await RefuseAsync(call, ProblemCode.RequestInvalid, $"'headers' names {headers.Count} headers; at most {HeadersMax} are changed at once, each named once, whatever its case.");
            return;
        }

        if (patch.Query is { } query && (query.Length > ValueLengthMax || query.Any(c => c is <= ' ' or > '~' or '#')))
        {
            await RefuseAsync(call, ProblemCode.RequestInvalid, $"'query' is '{UrlText.Shown(query)}'; allowed are up to {ValueLengthMax} printable ASCII characters without spaces and '#', percent-encoded, such as 'size=2&name=a%20b'.");
            return;
        }

        await EditAsync(call, item, new RequestEdit
        {
            SetHeaders = [.. headers.Where(h => h.Value is not null).OrderBy(h => h.Key, StringComparer.Ordinal).Select(h => KeyValuePair.Create(h.Key, h.Value!))],
            RemovedHeaders = [.. headers.Where(h => h.Value is null).Select(h => h.Key)],
            Query = patch.Query,
        });
    }

    /// <summary>What is wrong with a new body; null = nothing that is known before it runs.</summary>
    private static string? Fault(QueueItem item, ImmutableArray<KeyValuePair<string, string>> headers, ReadOnlyMemory<byte> body)
    {
        var type = headers.Concat(item.Request.Headers).FirstOrDefault(h => Is(h.Key, HeaderNames.ContentType)).Value;
        if (headers.Any(h => EditRule.DescribesBody(h.Key)) || type?.Split(';')[0].Trim().Equals("application/json", StringComparison.OrdinalIgnoreCase) != true)
        {
            return null;
        }

        try
        {
            using var document = JsonDocument.Parse(body);
            return null;
        }
        catch (JsonException e)
        {
            return string.Create(
                CultureInfo.InvariantCulture,
                $"The new body is not valid JSON (line {(e.LineNumber ?? 0) + 1}, byte {(e.BytePositionInLine ?? 0) + 1}), and its type is {type}. Mend it, or send it with the Content-Type that it has.");
        }
    }

    private static string? HeaderFault(string name, string? value, InstanceTarget target)
    {
        if (name.Length == 0 || !name.All(c => char.IsAsciiLetterOrDigit(c) || "!#$%&'*+-.^_`|~".Contains(c, StringComparison.Ordinal)))
        {
            return $"'headers' names '{UrlText.Shown(name)}', which cannot be the name of a header: allowed are letters, digits and !#$%&'*+-.^_`|~.";
        }

        if (!StoredRequest.Keeps(name, target) || QueueTerms.IsTerm(name))
        {
            return target.IsInference
                ? $"'headers' names '{name}', which an inference does not get: allowed are Content-Type, Content-Encoding and Inference-Header-Content-Length."
                : $"'headers' names '{name}', which is for the connection, the queue or the server and never reaches the endpoint.";
        }

        return value is not null && (value.Length > ValueLengthMax || value.Any(c => c is (< ' ' and not '\t') or '\x7f'))
            ? $"The value of header '{name}' is not allowed: up to {ValueLengthMax} characters, no control characters."
            : null;
    }

    private static InstanceTarget Target(QueueItem item) => new(item.Request.Target is null ? null : "/");

    private static bool Is(string header, string name) => header.Equals(name, StringComparison.OrdinalIgnoreCase);

    private static Task RefuseAsync(ControlCall call, ProblemCode code, string detail) => Problems.WriteAsync(call.Http, code, detail);

    /// <summary>Null after the problem was written.</summary>
    private async Task<QueueItem?> ItemAsync(ControlCall call)
    {
        if (QueueApi.IdOf(call) is { } id && await store.FindAsync(call.Tenant, id, call.Cancellation) is { } item)
        {
            return item;
        }

        await QueueApi.NotFoundAsync(call);
        return null;
    }

    private async Task<WholeRequest?> FindAsync(ControlCall call)
    {
        int? before = null;
        if (call.Query("before") is { } text)
        {
            if (!int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) || number is < 1 or > QueueLimits.EditsMax)
            {
                await RefuseAsync(call, ProblemCode.RequestInvalid, $"'before' is '{UrlText.Shown(text)}'; allowed is the number of an edit, from 1 to {QueueLimits.EditsMax}.");
                return null;
            }

            before = number;
        }

        if (QueueApi.IdOf(call) is { } id && await store.RequestAsync(call.Tenant, id, before, call.Cancellation) is { } found)
        {
            return found;
        }

        if (before is not null && await ItemAsync(call) is { } item)
        {
            var edits = await store.EditsAsync(call.Tenant, item.Id, call.Cancellation);
            await RefuseAsync(call, ProblemCode.RequestInvalid, $"'before' is {before}; the invocation was changed {(edits.Length == 1 ? "once" : $"{edits.Length} times")}.");
        }
        else if (before is null)
        {
            await QueueApi.NotFoundAsync(call);
        }

        return null;
    }

    private async Task EditAsync(ControlCall call, QueueItem item, RequestEdit edit)
    {
        switch (await store.EditAsync(call.Tenant, item.Id, edit, call.Caller.KeyId ?? "public", time.GetUtcNow(), call.Cancellation))
        {
            case EditOutcome.Edited edited:
                var receipt = await reader.FindAsync(call.Tenant, item.Id, call.Cancellation);
                await JsonBody.WriteAsync(call.Http, await views.InfoAsync(edited.Item, receipt, call.Cancellation), ControlJson.Default.ReceiptInfo);
                break;
            case EditOutcome.Refused refused:
                await RefuseAsync(call, ProblemCode.Conflict, refused.Why);
                break;
            default:
                await QueueApi.NotFoundAsync(call);
                break;
        }
    }
}
