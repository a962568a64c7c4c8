using System.Globalization;
using System.Text;
using System.Text.Json;
using Dormouse.Cli.Connection;
using Dormouse.Cli.Pipelines;
using Dormouse.Cli.Terminal;
using Dormouse.Client;
using Dormouse.Protocol;
using Dormouse.Protocol.Control;
using Dormouse.Protocol.Signatures;

namespace Dormouse.Cli.Invoke;

/// <summary>Prints an answer and what its invocation used.</summary>
internal static class InvokeReport
{
    public static async Task WriteAsync(Session session, HttpResponseMessage response, CancellationToken cancellationToken)
    {
        var trace = InvocationTrace.Of(response);
        var media = response.Content.Headers.ContentType?.MediaType ?? "";
        if (session.Screen.IsJson)
        {
            await WriteDocumentAsync(session, response, trace, media, cancellationToken);
            return;
        }

        if (IsJson(media))
        {
            WriteJson(session, await response.Content.ReadAsByteArrayAsync(cancellationToken));
        }
        else
        {
            await CopyAsync(session, response, media, cancellationToken);
        }

        var receipt = await ReceiptAsync(session, trace, cancellationToken);
        if (Summary(trace, receipt) is { Length: > 0 } summary)
        {
            session.Screen.Note(summary);
        }
    }

    /// <summary><c>7  0.998   1  0.001   9  0.001</c></summary>
    public static string Labels(LabelsAnswer answer) =>
        string.Join("   ", answer.Labels.Select(l => Shown.Line(l.Label) + "  " + l.Score.ToString("0.000", CultureInfo.InvariantCulture)));

    /// <summary><c>cold (first call): queue 0.1 · start 2.9 · load 0.4 · run 0.3 ms · billed 1 ms × 512 MiB = 0.000000008 USD</c></summary>
    public static string Summary(InvocationTrace trace, ReceiptInfo? receipt)
    {
        var kind = receipt?.Start ?? trace.Kind;
        if (kind is null)
        {
            return "";
        }

        var run = trace.RunMs ?? (receipt?.Outcome is null or "running" ? null : receipt.RunMs);
        var times = kind is "warm" or "pipeline"
            ? Times(("run", run))
            : kind is "queued" or "overflow"
                ? Times(("queue", trace.QueueMs ?? receipt?.QueueMs), ("run", run))
                : Times(("queue", trace.QueueMs ?? receipt?.QueueMs), ("start", trace.StartMs ?? receipt?.StartMs), ("load", trace.LoadMs ?? receipt?.LoadMs), ("run", run));
        var host = receipt?.Overflow is { } there ? $" ({Shown.Line(there)})" : "";
        var head = kind + host + (Reason(receipt?.Cause ?? trace.Cause) is { } reason && kind == "cold" ? $" ({reason}{Missed(receipt?.RungReason ?? trace.RungReason)})" : "");
        var parts = new[] { times, receipt is null or { Outcome: "running" } ? null : Money(receipt) }.OfType<string>();
        return head + ": " + string.Join(" · ", parts);
    }

    /// <summary><c>billed 1 ms × 512 MiB = 0.000000008 USD</c>: nine digits as on a price list, all twelve when nine show nothing.</summary>
    public static string Money(ReceiptInfo receipt) => receipt.Parts is not null
        ? PartsTable.Money(receipt)
        : $"billed {receipt.BilledMs} ms × {receipt.MemoryMib} MiB = {Price(receipt.PricePico)} {receipt.Currency}";

    public static string Price(long pico) =>
        (pico / 1_000_000_000_000m).ToString(pico is 0 or >= 500 ? "0.000000000" : "0.000000000000", CultureInfo.InvariantCulture);

    public static string? Reason(string? cause) => cause switch
    {
        null => null,
        "first" => "first call",
        "idle" => "from zero",
        "burst" => "the others were busy",
        "rollout" => "new revision",
        "crash" => "the last one crashed",
        "eviction" => "its memory was needed",
        _ => cause,
    };

    /// <summary>What kept the start from being faster, where that is more than a matter of time.</summary>
    private static string Missed(string? reason) => reason switch
    {
        "template_refused" => "; its template was refused, 'dormouse describe' says why",
        "fork_failed" => "; a fork of its template failed, 'dormouse describe' says why",
        "freeze_refused" => "; the one before could not be frozen, 'dormouse doctor' says why",
        "restore_failed" => "; its snapshot could not be restored, 'dormouse describe' says why",
        "snapshot_refused" => "; it can have no snapshot, 'dormouse describe' says why",
        "thaw_failed" => "; a frozen one could not be thawed",
        "pool_empty" => "; no worker of the pool was ready",
        _ => "",
    };

    /// <summary>The receipt, when the key may read it. It is written before the answer leaves.</summary>
    public static async Task<ReceiptInfo?> ReceiptAsync(Session session, InvocationTrace trace, CancellationToken cancellationToken)
    {
        if (trace.InvocationId is null)
        {
            return null;
        }

        try
        {
            return await session.Client.Usage.ReceiptAsync(trace.InvocationId, cancellationToken);
        }
        catch (DormouseException e) when (e.Status is System.Net.HttpStatusCode.Unauthorized or System.Net.HttpStatusCode.Forbidden or System.Net.HttpStatusCode.NotFound)
        {
            // A key that may only invoke: the answer itself is all it gets.
            return null;
        }
    }

    private static string? Times(params ReadOnlySpan<(string Name, double? Ms)> times)
    {
        var parts = new List<string>();
        foreach (var (name, ms) in times)
        {
            if (ms is { } value)
            {
                parts.Add(name + " " + Units.Milliseconds(value));
            }
        }

        return parts.Count == 0 ? null : string.Join(" · ", parts) + " ms";
    }

    private static void WriteJson(Session session, byte[] body)
    {
        if (TryLabels(body) is { } labels)
        {
            session.Screen.Line(Labels(labels));
            return;
        }

        // As it is for a program that reads it; a terminal gets nothing that it would obey.
        var text = Encoding.UTF8.GetString(body).TrimEnd();
        session.Surroundings.Out.WriteLine(session.Surroundings.IsOutputTerminal ? Shown.Lines(text) : text);
    }

    private static LabelsAnswer? TryLabels(byte[] body)
    {
        try
        {
            var answer = JsonSerializer.Deserialize(body, SignatureAnswerJson.Default.LabelsAnswer);
            return answer is { Labels: { IsDefaultOrEmpty: false } } ? answer : null;
        }
        catch (JsonException)
        {
            // Some other JSON, printed as it is.
            return null;
        }
    }

    /// <summary>Copies the body to the output as it is; to a terminal only text.</summary>
    public static async Task CopyAsync(Session session, HttpResponseMessage response, string media, CancellationToken cancellationToken)
    {
        if (session.Surroundings.IsOutputTerminal && !media.StartsWith("text/", StringComparison.OrdinalIgnoreCase))
        {
            var length = (await response.Content.ReadAsByteArrayAsync(cancellationToken)).Length;
            session.Screen.Note($"The answer is {Units.Bytes(length)} of {(media.Length == 0 ? "unknown type" : media)}: send it to a file with '> file'.");
            return;
        }

        await using var body = await response.Content.ReadAsStreamAsync(cancellationToken);
        if (session.Surroundings.IsOutputTerminal)
        {
            await ShowAsync(session.Surroundings.Out, body, cancellationToken);
            return;
        }

        await session.Surroundings.Out.FlushAsync(cancellationToken);
        await using var output = session.Surroundings.OpenOutput();
        await body.CopyToAsync(output, cancellationToken);
    }

    /// <summary>Text on a terminal, each part as it comes.</summary>
    private static async Task ShowAsync(TextWriter terminal, Stream body, CancellationToken cancellationToken)
    {
        using var reader = new StreamReader(body, Encoding.UTF8);
        var buffer = new char[4096];
        int read;
        while ((read = await reader.ReadAsync(buffer, cancellationToken)) > 0)
        {
            await terminal.WriteAsync(Shown.Lines(new string(buffer, 0, read)).AsMemory(), cancellationToken);
            await terminal.FlushAsync(cancellationToken);
        }
    }

    private static async Task WriteDocumentAsync(Session session, HttpResponseMessage response, InvocationTrace trace, string media, CancellationToken cancellationToken)
    {
        var body = await response.Content.ReadAsByteArrayAsync(cancellationToken);
        var receipt = await ReceiptAsync(session, trace, cancellationToken);
        var answer = IsJson(media) ? TryJson(body) : null;
        var text = answer is null && (media.StartsWith("text/", StringComparison.OrdinalIgnoreCase) || IsJson(media)) ? Encoding.UTF8.GetString(body) : null;
        session.Screen.Json(
            new InvokeDocument(
                (int)response.StatusCode, trace.InvocationId, trace.Kind, trace.Cause, response.Content.Headers.ContentType?.ToString(),
                answer, text, answer is null && text is null && body.Length > 0 ? Convert.ToBase64String(body) : null, receipt),
            CliJson.Default.InvokeDocument);
    }

    private static JsonElement? TryJson(byte[] body)
    {
        try
        {
            using var document = JsonDocument.Parse(body);
            return document.RootElement.Clone();
        }
        catch (JsonException)
        {
            // The endpoint calls it JSON and it is none: shown as text.
            return null;
        }
    }

    private static bool IsJson(string media) =>
        media.Equals(MediaTypes.Json, StringComparison.OrdinalIgnoreCase) || media.EndsWith("+json", StringComparison.OrdinalIgnoreCase);
}
