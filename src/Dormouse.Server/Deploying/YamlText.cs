using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Json;
using YamlDotNet.Core;
using YamlDotNet.Core.Events;

namespace Dormouse.Server.Deploying;

/// <summary>
/// One YAML or JSON document as JSON. The text is a stranger's: it is read event by event, and YAML's aliases and tags, which what is deployed never needs, are refused.
/// </summary>
internal static class YamlText
{
    /// <exception cref="YamlException">It is no such document, or nested deeper than <paramref name="depthMax"/>.</exception>
    public static string ToJson(string text, int depthMax)
    {
        var parser = new Parser(new StringReader(text));
        var buffer = new ArrayBufferWriter<byte>();
        using var json = new Utf8JsonWriter(buffer);
        var documents = 0;
        var isKey = new Stack<bool?>();
        while (parser.MoveNext())
        {
            switch (parser.Current)
            {
                case DocumentStart when ++documents > 1:
                    throw new YamlException(parser.Current.Start, parser.Current.End, "one document is expected");

                case AnchorAlias:
                    throw new YamlException(parser.Current.Start, parser.Current.End, "aliases are not allowed here");

                case MappingStart start:
                    Enter(start);
                    json.WriteStartObject();
                    isKey.Push(true);
                    break;

                case SequenceStart start:
                    Enter(start);
                    json.WriteStartArray();
                    isKey.Push(null);
                    break;

                case MappingEnd:
                    isKey.Pop();
                    json.WriteEndObject();
                    break;

                case SequenceEnd:
                    isKey.Pop();
                    json.WriteEndArray();
                    break;

                case Scalar scalar when isKey.TryPeek(out var expected) && expected is true:
                    json.WritePropertyName(scalar.Value);
                    Flip(toKey: false);
                    break;

                case Scalar scalar:
                    WriteScalar(json, scalar);
                    Flip(toKey: true);
                    break;
            }
        }

        if (documents == 0)
        {
            throw new YamlException("it holds 0 documents, one is expected");
        }

        json.Flush();
        return Encoding.UTF8.GetString(buffer.WrittenSpan);

        void Enter(NodeEvent node)
        {
            if (isKey.TryPeek(out var expected) && expected is true)
            {
                throw new YamlException(node.Start, node.End, "a key must be plain text");
            }

            if (isKey.Count >= depthMax)
            {
                throw new YamlException(node.Start, node.End, $"it is nested deeper than {depthMax}");
            }

            Flip(toKey: true);
        }

        // After a key comes its value, after a value the next key; a list has no keys.
        void Flip(bool toKey)
        {
            if (isKey.TryPop(out var state))
            {
                isKey.Push(state is null ? null : toKey);
            }
        }
    }

    /// <summary>YAML's core schema for plain text: null, booleans and numbers; whatever is quoted is text.</summary>
    private static void WriteScalar(Utf8JsonWriter json, Scalar scalar)
    {
        if (!scalar.IsPlainImplicit || scalar.Style is not (ScalarStyle.Plain or ScalarStyle.Any))
        {
            json.WriteStringValue(scalar.Value);
            return;
        }

        switch (scalar.Value)
        {
            case "" or "~" or "null" or "Null" or "NULL":
                json.WriteNullValue();
                break;

            case "true" or "True" or "TRUE":
                json.WriteBooleanValue(true);
                break;

            case "false" or "False" or "FALSE":
                json.WriteBooleanValue(false);
                break;

            case var text when long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var whole):
                json.WriteNumberValue(whole);
                break;

            case var text when double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var number) && double.IsFinite(number):
                json.WriteNumberValue(number);
                break;

            case var text:
                json.WriteStringValue(text);
                break;
        }
    }
}
