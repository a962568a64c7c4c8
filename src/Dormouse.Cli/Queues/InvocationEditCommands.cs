using System.Collections.Immutable;
using System.CommandLine;
using System.Net.Http.Headers;
using Dormouse.Cli.Commands;
using Dormouse.Cli.Connection;
using Dormouse.Cli.Invoke;
using Dormouse.Cli.LocalFiles;
using Dormouse.Cli.Terminal;
using Dormouse.Protocol.Control;

namespace Dormouse.Cli.Queues;

/// <summary><c>dormouse invocation request | edit</c>: what an asynchronous invocation sends, and changes of it before it is run anew.</summary>
internal static class InvocationEditCommands
{
    public static CliCommand CreateRequest(GlobalOptions globals)
    {
        var id = InvocationCommand.Id();
        var before = new Option<int?>("--before") { HelpName = "n", Description = "As it was before its nth edit; 1 = as it was accepted. Default: as it is." };
        var body = new Option<bool>("--body") { Description = "Print the body alone, byte for byte." };
        return new CliCommand(
            "request", "Show what an invocation sends to its endpoint.",
            "dormouse invocation request 019ad0c2-7d1e-7000-8000-5f6f1c1f9a11",
            "dormouse invocation request 019ad0c2-7d1e-7000-8000-5f6f1c1f9a11 --body --before 1 > original.json") { id, before, body }.Runs(
            globals, async (session, parsed, cancellationToken) =>
            {
                var (name, edit) = (parsed.GetRequiredValue(id), parsed.GetValue(before));
                if (parsed.GetValue(body))
                {
                    using var response = await session.Client.Queue.BodyAsync(name, edit, cancellationToken);
                    await session.Client.Invocations.EnsureSuccessAsync(response, cancellationToken);
                    await InvokeReport.CopyAsync(session, response, response.Content.Headers.ContentType?.MediaType ?? "", cancellationToken);
                    return;
                }

                Write(session, await session.Client.Queue.RequestAsync(name, edit, cancellationToken));
            });
    }

    public static CliCommand CreateEdit(GlobalOptions globals)
    {
        var id = InvocationCommand.Id();
        var input = new Option<FileInfo?>("--input", "-i") { HelpName = "file", Description = "The new body, sent to the endpoint byte for byte." };
        var type = new Option<string?>("--content-type") { HelpName = "type", Description = "Media type of the new body. Default: application/json for *.json, else as before." };
        var header = new Option<string[]>("--header", "-H") { HelpName = "Name: value", Description = "Header to set; may be repeated." };
        var removed = new Option<string[]>("--remove-header") { HelpName = "name", Description = "Header to remove; may be repeated." };
        var query = new Option<string?>("--query") { HelpName = "text", Description = "What stands behind the path of the address, such as 'size=2'." };
        var noQuery = new Option<bool>("--remove-query") { Description = "Nothing stands behind the path of the address." };
        var redrive = new Option<bool>("--redrive") { Description = "Run it anew at once." };
        return new CliCommand(
            "edit", "Change what an invocation that ended without success sends; 'redrive' runs it anew. What it was stays to be seen.",
            "dormouse invocation edit 019ad0c2-7d1e-7000-8000-5f6f1c1f9a11 --input mended.json --redrive",
            "dormouse invocation edit 019ad0c2-7d1e-7000-8000-5f6f1c1f9a11 --header 'X-Size: 2' --query 'dry=false'")
        {
            id, input, type, header, removed, query, noQuery, redrive,
        }.Runs(globals, async (session, parsed, cancellationToken) =>
        {
            var (name, file) = (parsed.GetRequiredValue(id), parsed.GetValue(input));
            if (parsed.GetValue(noQuery) && parsed.GetValue(query) is not null)
            {
                throw CommandException.Usage("--query and --remove-query cannot both be meant.");
            }

            var patch = Patch(parsed.GetValue(header) ?? [], parsed.GetValue(removed) ?? [], parsed.GetValue(noQuery) ? "" : parsed.GetValue(query));
            if (file is null && patch is null)
            {
                throw CommandException.Usage("Nothing is to be changed: give --input, --header, --remove-header, --query or --remove-query.");
            }

            if (file is null && parsed.GetValue(type) is not null)
            {
                throw CommandException.Usage("--content-type is that of a new body: give --input as well, or --header 'Content-Type: …'.");
            }

            // Headers first: those that the new body comes with describe it and stand.
            var info = patch is null ? null : await session.Client.Queue.ChangeRequestAsync(name, patch, cancellationToken);
            if (file is not null)
            {
                info = await ReplaceAsync(session, name, file, parsed.GetValue(type), cancellationToken);
            }

            InvocationCommand.Write(session, parsed.GetValue(redrive) ? await session.Client.Queue.RedriveAsync(name, cancellationToken) : info!);
        });
    }

    private static async Task<ReceiptInfo> ReplaceAsync(Session session, string id, FileInfo file, string? type, CancellationToken cancellationToken)
    {
        type ??= file.Extension.Equals(".json", StringComparison.OrdinalIgnoreCase) ? "application/json" : null;
        MediaTypeHeaderValue? media = null;
        if (type is not null && !MediaTypeHeaderValue.TryParse(type, out media))
        {
            throw CommandException.Usage($"--content-type is '{type}'; write a media type, such as application/json.");
        }

        LocalFile.ThrowUnlessReadable(file.ToString(), "file");
        await using var stream = file.OpenRead();
        using var body = new StreamContent(stream);
        body.Headers.ContentType = media;
        return await session.Client.Queue.ReplaceBodyAsync(id, body, cancellationToken);
    }

    /// <summary>Null when it would change nothing.</summary>
    private static RequestPatch? Patch(string[] headers, string[] removed, string? query)
    {
        var all = ImmutableDictionary.CreateBuilder<string, string?>(StringComparer.OrdinalIgnoreCase);
        foreach (var text in headers)
        {
            var colon = text.IndexOf(':', StringComparison.Ordinal);
            if (colon <= 0)
            {
                throw CommandException.Usage($"--header is '{text}'; write it like 'Name: value'.");
            }

            all[text[..colon].Trim()] = text[(colon + 1)..].Trim();
        }

        foreach (var name in removed)
        {
            if (all.ContainsKey(name))
            {
                throw CommandException.Usage($"'{name}' is named by --header and by --remove-header.");
            }

            all[name] = null;
        }

        return all.Count == 0 && query is null ? null : new RequestPatch { Headers = all.Count == 0 ? null : all.ToImmutable(), Query = query };
    }

    private static void Write(Session session, QueuedRequestInfo request)
    {
        var screen = session.Screen;
        if (screen.IsJson)
        {
            screen.Json(request, ControlJson.Default.QueuedRequestInfo);
            return;
        }

        screen.Line(Shown.Line($"{request.Method} {request.Target ?? "(inference)"}{(request.Version is { } version ? $" of {version}" : "")}"));
        foreach (var header in request.Headers)
        {
            screen.Line("  " + Shown.Line(string.Join(": ", header)));
        }

        screen.Line($"  body of {Units.Bytes(request.BodyBytes)}: --body prints it");
    }
}
