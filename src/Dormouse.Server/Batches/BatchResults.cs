using System.Text;
using Dormouse.Protocol.Problems;
using Dormouse.Server.Control;
using Dormouse.Server.Errors;

namespace Dormouse.Server.Batches;

/// <summary>Hands out the results of a job, as far as they are.</summary>
internal static class BatchResults
{
    public static async Task WriteAsync(ControlCall call, string path, long from, long end, bool isCsv)
    {
        if (!File.Exists(path) && end > 0)
        {
            await Problems.WriteAsync(call.Http, ProblemCode.ResultMissing, "The results of this job are not on this server's disk any more.");
            return;
        }

        var response = call.Http.Response;
        response.ContentType = isCsv ? "text/csv; charset=utf-8" : "application/jsonl";
        if (end == from && !isCsv)
        {
            response.ContentLength = 0;
            return;
        }

        if (isCsv)
        {
            await WriteCsvAsync(call, path, end);
            return;
        }

        response.ContentLength = end - from;
        await using var file = Open(path);
        file.Position = from;
        var buffer = new byte[64 * 1024];
        for (var left = end - from; left > 0;)
        {
            var read = await file.ReadAsync(buffer.AsMemory(0, (int)Math.Min(buffer.Length, left)), call.Cancellation);
            if (read == 0)
            {
                // Its length is promised: the connection breaks.
                throw new EndOfStreamException("The results file is shorter than its job says.");
            }

            await response.Body.WriteAsync(buffer.AsMemory(0, read), call.Cancellation);
            left -= read;
        }
    }

    /// <summary>Twice through the file: the columns are those of the first output.</summary>
    private static async Task WriteCsvAsync(ControlCall call, string path, long end)
    {
        var csv = new ResultsCsv();
        await using (var body = new StreamWriter(call.Http.Response.Body, new UTF8Encoding(false), leaveOpen: true))
        {
            if (end > 0)
            {
                await foreach (var line in LinesAsync(path, end, call.Cancellation))
                {
                    if (csv.TryColumns(line))
                    {
                        break;
                    }
                }
            }

            await body.WriteAsync(csv.Header());
            if (end > 0)
            {
                await foreach (var line in LinesAsync(path, end, call.Cancellation))
                {
                    await body.WriteAsync(csv.Row(line));
                }
            }
        }
    }

    private static async IAsyncEnumerable<ReadOnlyMemory<byte>> LinesAsync(string path, long end, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await using var file = Open(path);
        // Lines of ours: the longest that there can be is the largest answer, in base64.
        var lines = new Inputs.RecordSplitter(file, int.MaxValue / 2, hasQuotes: false);
        while (await lines.NextAsync(cancellationToken) is { } line && line.End <= end)
        {
            yield return line.Bytes;
        }
    }

    private static FileStream Open(string path) => new(path, new FileStreamOptions { Mode = FileMode.Open, Access = FileAccess.Read, Share = FileShare.ReadWrite | FileShare.Delete });
}
