using System.CommandLine;
using System.Globalization;
using System.Text;
using Dormouse.Cli.Commands;
using Dormouse.Cli.Connection;
using Dormouse.Cli.LocalFiles;
using Dormouse.Cli.Terminal;
using Dormouse.Client;
using Dormouse.Core.Endpoints;
using Dormouse.Protocol;
using Dormouse.Protocol.Problems;

namespace Dormouse.Cli.Invoke;

/// <summary><c>dormouse invoke N</c>.</summary>
internal sealed class InvokeCommand
{
    /// <summary>Most bytes of a pipe that are sent; a longer body is put into a file, which is streamed.</summary>
    private const long PipeBytesMax = 256L << 20;

    private readonly Argument<string> _endpoint = Arguments.Endpoint();
    private readonly Option<string?> _file = new("--file", "-f") { HelpName = "file", Description = "Send this file (a picture, text, anything) to /invoke; '-' = standard input." };
    private readonly Option<string?> _json = new("--json") { HelpName = "text|@file", Description = "Send this: an inference request (Open Inference Protocol) to a model, its input to a function. Without --json and --file it is read from standard input." };
    private readonly Option<string?> _path = new("--path") { HelpName = "path", Description = "Path and query after the endpoint's own address, for /invoke." };
    private readonly Option<string?> _method = new("--method", "-X") { HelpName = "method", Description = "HTTP method for /invoke. Default: POST with a body, else GET." };
    private readonly Option<string[]> _headers = new("--header", "-H") { HelpName = "Name: value", Description = "Header to send; may be repeated." };
    private readonly Option<string?> _deadline = new("--deadline") { HelpName = "time", Description = "Until when an answer is of use: 500ms from now, or a time. A call that cannot make it is refused and does not run." };
    private readonly Option<string?> _priority = new("--priority") { Description = "Whose turn it is when calls wait. Default: normal." };
    private readonly Option<string?> _revision = new("--revision") { HelpName = "r3|tag", Description = "Call this revision, or the one with this tag, whatever the traffic says." };

    private readonly AsyncOptions _async = new();

    public static Command Create(GlobalOptions globals)
    {
        var invoke = new InvokeCommand();
        invoke._priority.AcceptOnlyFromAmong("high", "normal", "low");
        var command = new CliCommand(
            "invoke",
            "Call an endpoint: the answer goes to standard output, where its time and money went to standard error.",
            "dormouse invoke digits --file seven.png",
            "dormouse invoke iris --json @request.json",
            """dormouse invoke iris --json '{"inputs":[{"name":"x","shape":[1,4],"datatype":"FP32","data":[5.1,3.5,1.4,0.2]}]}'""",
            """dormouse invoke greet --json '{"name":"Ada"}'""",
            """dormouse invoke count --json '{"n":3}' --header 'Accept: text/event-stream'""",
            "dormouse invoke greeter --path hello?name=Ada",
            "dormouse invoke digits --file seven.png --async",
            "dormouse invoke digits --file seven.png --async --wait");
        command.Add(invoke._endpoint);
        foreach (var option in (Option[])[invoke._file, invoke._json, invoke._path, invoke._method, invoke._headers, invoke._deadline, invoke._priority, invoke._revision, .. invoke._async.All])
        {
            command.Add(option);
        }

        return command.Runs(globals, invoke.RunAsync);
    }

    private async Task<int> RunAsync(Session session, ParseResult parsed, CancellationToken cancellationToken)
    {
        using var response = await SendAsync(session, parsed, cancellationToken);
        try
        {
            await session.Client.Invocations.EnsureSuccessAsync(response, cancellationToken);
        }
        catch (DormouseException e) when (e.Problem.Code == ProblemCode.EndpointNotFound.Code)
        {
            // The data plane tells nobody which names there are; a key that may list them gets a hint.
            throw new DormouseException(e.Problem with { Detail = e.Problem.Detail + await NearAsync(session, parsed.GetRequiredValue(_endpoint), cancellationToken) }, e);
        }

        if (parsed.GetValue(_async.Async))
        {
            await _async.FinishAsync(session, parsed, response, cancellationToken);
            return ExitCodes.Done;
        }

        await InvokeReport.WriteAsync(session, response, cancellationToken);
        return ExitCodes.Done;
    }

    private async Task<HttpResponseMessage> SendAsync(Session session, ParseResult parsed, CancellationToken cancellationToken)
    {
        var endpoint = parsed.GetRequiredValue(_endpoint);
        var file = parsed.GetValue(_file);
        var json = parsed.GetValue(_json);
        var headers = (parsed.GetValue(_headers) ?? []).Select(RequestHeaders.Parse)
            .Concat(Named("--deadline", DormouseHeaders.Deadline, parsed.GetValue(_deadline)))
            .Concat(Named("--priority", DormouseHeaders.Priority, parsed.GetValue(_priority)))
            .Concat(_async.Headers(parsed))
            .ToArray();
        if (file is not null && json is not null)
        {
            throw CommandException.Usage("--file and --json cannot be used together.");
        }

        var isInvoke = file is not null || parsed.GetValue(_path) is not null || parsed.GetValue(_method) is not null;
        if (!isInvoke)
        {
            var text = await JsonBodyAsync(session, json, cancellationToken);
            var answer = await session.Client.Invocations.InferAsync(endpoint, JsonContent(text), Version(parsed.GetValue(_revision)), headers, cancellationToken);
            if (answer.StatusCode != System.Net.HttpStatusCode.NotImplemented)
            {
                return answer;
            }

            // A function: its input goes to its own address. Nothing has run.
            answer.Dispose();
            return await session.Client.Invocations.InvokeAsync(endpoint, HttpMethod.Post, "", JsonContent(text), Pinned(headers, parsed.GetValue(_revision)), cancellationToken);
        }

        headers = Pinned(headers, parsed.GetValue(_revision));
        var content = json is not null ? JsonContent(await JsonBodyAsync(session, json, cancellationToken)) : file is null ? null : await FileBodyAsync(session, file, cancellationToken);
        var method = parsed.GetValue(_method) is { } named ? RequestHeaders.Method(named) : content is null ? HttpMethod.Get : HttpMethod.Post;
        var path = parsed.GetValue(_path) ?? "";
        try
        {
            return await session.Client.Invocations.InvokeAsync(endpoint, method, path, content, headers, cancellationToken);
        }
        catch (ArgumentException e) when (e.ParamName == "path")
        {
            throw CommandException.Usage($"--path is '{path}', which leads out of the address of '{endpoint}'. Write it without '..'.");
        }
    }

    private static IEnumerable<KeyValuePair<string, string>> Named(string option, string header, string? value) => value is null ? [] : [RequestHeaders.Checked(option, header, value)];

    /// <summary>A revision as other servers of the protocol would name it, too: "r3" is 3.</summary>
    private static string? Version(string? revision) =>
        TrafficRules.TryParseRevision(revision, out var number) ? number.ToString(CultureInfo.InvariantCulture) : revision;

    private static async Task<string> NearAsync(Session session, string name, CancellationToken cancellationToken)
    {
        try
        {
            return Suggestions.Question(name, (await session.Client.Endpoints.ListAsync(cancellationToken)).Endpoints.Select(e => e.Name));
        }
        catch (DormouseException)
        {
            // Only a hint: the answer that there is no such endpoint stays what it is.
            return "";
        }
    }

    private static KeyValuePair<string, string>[] Pinned(KeyValuePair<string, string>[] headers, string? revision) =>
        revision is null ? headers : [.. headers, RequestHeaders.Checked("--revision", DormouseHeaders.Revision, revision)];

    private static ByteArrayContent JsonContent(byte[] body) => new(body) { Headers = { ContentType = new(MediaTypes.Json) } };

    private static async Task<byte[]> JsonBodyAsync(Session session, string? json, CancellationToken cancellationToken)
    {
        byte[] body;
        if (json is null or "-" or "@-")
        {
            if (json is null && session.Surroundings.IsInputTerminal)
            {
                throw CommandException.Usage("Nothing to send: give --file FILE or --json TEXT, or pipe an inference request in. A function without arguments is called with --json '{}'.");
            }

            using var input = session.Surroundings.OpenInput();
            using var buffer = new MemoryStream();
            // Standard input does not heed the token by itself.
            await input.CopyToAsync(buffer, cancellationToken).WaitAsync(cancellationToken);
            body = buffer.ToArray();
        }
        else if (json.StartsWith('@'))
        {
            body = await LocalFile.RunAsync(() => LocalFile.ReadBytes(json[1..], "file", LocalFile.TextBytesMax), cancellationToken);
        }
        else
        {
            body = Encoding.UTF8.GetBytes(json);
        }

        if (body.AsSpan().TrimStart(" \t\r\n"u8).IsEmpty)
        {
            throw CommandException.Usage("Nothing to send: the input is empty. Give --json TEXT or --file FILE; a function without arguments is called with --json '{}'.");
        }

        return body;
    }

    private static async Task<HttpContent> FileBodyAsync(Session session, string file, CancellationToken cancellationToken)
    {
        if (file == "-")
        {
            return Typed(new StreamContent(session.Surroundings.OpenInput()), MediaTypes.Bytes);
        }

        LocalFile.ThrowUnlessReadable(file, "file");
        if (LocalFile.KindOf(file) != LocalKind.File)
        {
            var whole = await LocalFile.RunAsync(() => LocalFile.ReadBytes(file, "file", PipeBytesMax), cancellationToken);
            return Typed(new ByteArrayContent(whole), MediaTypes.Of(whole.AsSpan(0, Math.Min(whole.Length, MediaTypes.HeadLength)), file));
        }

        var stream = File.OpenRead(file);
        var head = new byte[MediaTypes.HeadLength];
        var length = await stream.ReadAtLeastAsync(head, head.Length, throwOnEndOfStream: false, cancellationToken);
        stream.Position = 0;
        return Typed(new StreamContent(stream), MediaTypes.Of(head.AsSpan(0, length), file));
    }

    private static HttpContent Typed(HttpContent content, string mediaType)
    {
        content.Headers.ContentType = System.Net.Http.Headers.MediaTypeHeaderValue.Parse(mediaType);
        return content;
    }
}
