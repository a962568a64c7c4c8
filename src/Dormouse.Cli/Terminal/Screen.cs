using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Dormouse.Protocol.Problems;

namespace Dormouse.Cli.Terminal;

internal enum OutputFormat
{
    Table,
    Json,
}

/// <summary>Results go to standard output, everything else to standard error; with <c>--output json</c> standard output holds documents only.</summary>
internal sealed class Screen(Surroundings surroundings, OutputFormat format)
{
    private static readonly JsonWriterOptions Indented = new() { Indented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
    private static readonly JsonWriterOptions OneLine = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public bool IsJson { get; } = format == OutputFormat.Json;

    /// <summary>A line of the result. Not for JSON output. What a terminal would obey is written out here and in all that follows.</summary>
    public void Line(string text = "") => surroundings.Out.WriteLine(Shown.Lines(text));

    /// <summary>A line beside the result, left out of JSON output.</summary>
    public void Note(string text)
    {
        if (!IsJson)
        {
            surroundings.Error.WriteLine(Shown.Lines(text));
        }
    }

    /// <summary>A line that a person should see in any format.</summary>
    public void Warn(string text) => surroundings.Error.WriteLine(Shown.Lines(text));

    public void Json<T>(T value, JsonTypeInfo<T> type) => surroundings.Out.WriteLine(ToText(value, type, Indented));

    /// <summary>One document on one line (streams of documents).</summary>
    public void JsonLine<T>(T value, JsonTypeInfo<T> type) => surroundings.Out.WriteLine(ToText(value, type, OneLine));

    /// <summary>Columns under headings; a heading that begins with '&gt;' is a column of numbers, set to the right.</summary>
    public void Table(IReadOnlyList<string> headings, IEnumerable<IReadOnlyList<string>> rows) =>
        SpectreTables.Write(surroundings.Out, surroundings.IsOutputTerminal, [.. headings.Select(Shown.Line)], rows.Select(r => r.Select(Shown.Line).ToArray()));

    /// <summary>An error, on standard error: sentences, or a problem document with JSON output.</summary>
    public void Error(ProblemDocument problem, string? hint = null)
    {
        if (IsJson)
        {
            var document = JsonSerializer.SerializeToNode(problem with { Type = problem.Type ?? "urn:dormouse:problem:" + problem.Code }, ProblemJson.Default.ProblemDocument)!.AsObject();
            if (problem.Status == 0)
            {
                // Nothing answered: there is no status.
                document.Remove("status");
            }

            surroundings.Error.WriteLine(ToText(document, CliJson.Default.JsonObject, Indented));
            return;
        }

        surroundings.Error.WriteLine("error: " + Shown.Lines(problem.Detail ?? problem.Title ?? "The command failed."));
        if (hint is not null)
        {
            surroundings.Error.WriteLine(Shown.Lines(hint));
        }
    }

    private static string ToText<T>(T value, JsonTypeInfo<T> type, JsonWriterOptions options)
    {
        using var stream = new MemoryStream();
        using (var writer = new Utf8JsonWriter(stream, options))
        {
            JsonSerializer.Serialize(writer, value, type);
        }

        return Encoding.UTF8.GetString(stream.GetBuffer(), 0, (int)stream.Length);
    }
}
