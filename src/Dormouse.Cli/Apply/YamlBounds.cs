using YamlDotNet.Core;
using YamlDotNet.Core.Events;

namespace Dormouse.Cli.Apply;

/// <summary>
/// Looks over a YAML text, event by event, before it is made a tree: the tree is walked recursively and aliases are written out, so a text that is deep, contains
/// itself, or doubles itself a few dozen times would take the whole program's stack or memory.
/// </summary>
internal static class YamlBounds
{
    /// <summary>Deeper than any input of a pipeline or filter of a trigger may be.</summary>
    private const int DepthMax = 64;

    /// <summary>Most values with every alias written out.</summary>
    private const long ValuesMax = 1_000_000;

    /// <exception cref="YamlException">The text is no YAML, or beyond a bound.</exception>
    public static void Check(string text)
    {
        var parser = new Parser(new StringReader(text));
        var open = new Stack<Node>();
        var sizes = new Dictionary<AnchorName, long>();
        var written = new Node(AnchorName.Empty);
        while (parser.MoveNext())
        {
            switch (parser.Current)
            {
                case MappingStart or SequenceStart when open.Count == DepthMax:
                    throw new YamlException(parser.Current.Start, parser.Current.End, $"It is nested deeper than {DepthMax}.");

                case MappingStart or SequenceStart:
                    open.Push(new Node(((NodeEvent)parser.Current).Anchor));
                    break;

                case MappingEnd or SequenceEnd:
                    var ended = open.Pop();
                    Keep(ended.Anchor, ended.Size);
                    Add(ended.Size);
                    break;

                case Scalar scalar:
                    Keep(scalar.Anchor, 1);
                    Add(1);
                    break;

                case AnchorAlias alias when open.Any(n => n.Anchor == alias.Value):
                    throw new YamlException(alias.Start, alias.End, $"'*{alias.Value}' stands within what it means, which would never end. Write the values out.");

                case AnchorAlias alias:
                    // One that names nothing is told by whoever makes the tree.
                    Add(sizes.GetValueOrDefault(alias.Value, 1));
                    break;
            }
        }

        void Keep(AnchorName anchor, long size)
        {
            if (!anchor.IsEmpty)
            {
                sizes[anchor] = size;
            }
        }

        void Add(long size)
        {
            var into = open.TryPeek(out var within) ? within : written;
            into.Size += size;
            if (into.Size > ValuesMax)
            {
                throw new YamlException(parser.Current!.Start, parser.Current.End, $"With its aliases written out it has more than {ValuesMax} values.");
            }
        }
    }

    private sealed class Node(AnchorName anchor)
    {
        public AnchorName Anchor { get; } = anchor;

        /// <summary>Values in it, itself among them.</summary>
        public long Size { get; set; } = 1;
    }
}
