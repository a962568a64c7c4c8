using System.Buffers.Binary;
using System.Text;

namespace Dormouse.Storage.Tests.PowerLoss;

/// <summary>What a process did to its files, in order, as <c>trace.c</c> wrote it down.</summary>
/// <param name="Kind">W write, T truncate (to <paramref name="Offset"/>), S sync that came back, U unlink.</param>
internal readonly record struct TracedStep(char Kind, string Path, long Offset, ReadOnlyMemory<byte> Data)
{
    private const int HeaderBytes = 15;

    public static IEnumerable<TracedStep> Read(byte[] trace)
    {
        var names = new Dictionary<int, string>();
        for (var at = 0; at + HeaderBytes <= trace.Length;)
        {
            var header = trace.AsMemory(at, HeaderBytes);
            var (kind, file) = ((char)header.Span[0], BinaryPrimitives.ReadUInt16LittleEndian(header.Span[1..]));
            var (offset, length) = (BinaryPrimitives.ReadInt64LittleEndian(header.Span[3..]), (int)BinaryPrimitives.ReadUInt32LittleEndian(header.Span[11..]));
            var data = trace.AsMemory(at + HeaderBytes, length);
            at += HeaderBytes + length;
            if (kind == 'N')
            {
                names[file] = Encoding.UTF8.GetString(data.Span);
                continue;
            }

            yield return new TracedStep(kind, names[file], offset, data);
        }
    }
}

/// <summary>
/// A disk that loses power: of each file it surely has what was written before its last sync. What was written since it may have or not, page by page. That a file is there, is removed or is as long
/// as it was made counts as synced with the next sync of that file.
/// </summary>
internal sealed class LossyDisk
{
    private const int PageBytes = 4096;

    private readonly Dictionary<string, TracedFile> _files = new(StringComparer.Ordinal);

    public void Apply(in TracedStep step)
    {
        var file = _files.TryGetValue(step.Path, out var known) ? known : _files[step.Path] = new TracedFile();
        switch (step.Kind)
        {
            case 'S':
                (file.Synced, file.Unsynced) = (Changed(file, _ => true), []);
                break;
            case 'U':
                (file.Synced, file.Unsynced) = (null, []);
                break;
            default:
                file.Unsynced.Add(step);
                break;
        }
    }

    /// <summary>Writes the files as they are after the power came back.</summary>
    /// <param name="hasWritten">Which pages of writes that were not synced the disk has all the same.</param>
    public void WriteTo(string folder, Func<bool> hasWritten)
    {
        foreach (var (path, file) in _files)
        {
            if (file.Synced is not null)
            {
                File.WriteAllBytes(Path.Combine(folder, Path.GetFileName(path)), Changed(file, _ => hasWritten()));
            }
        }
    }

    private static byte[] Changed(TracedFile file, Func<TracedStep, bool> isWritten)
    {
        var content = file.Synced ?? [];
        content = (byte[])content.Clone();
        foreach (var step in file.Unsynced)
        {
            if (step.Kind == 'T')
            {
                if (isWritten(step))
                {
                    Array.Resize(ref content, (int)step.Offset);
                }

                continue;
            }

            for (var done = 0; done < step.Data.Length;)
            {
                var at = (int)step.Offset + done;
                var part = Math.Min(step.Data.Length - done, PageBytes - (at % PageBytes));
                if (isWritten(step))
                {
                    if (content.Length < at + part)
                    {
                        Array.Resize(ref content, at + part);
                    }

                    step.Data.Span.Slice(done, part).CopyTo(content.AsSpan(at));
                }

                done += part;
            }
        }

        return content;
    }

    private sealed class TracedFile
    {
        /// <summary>Null = it was never synced, or is removed.</summary>
        public byte[]? Synced { get; set; }

        public List<TracedStep> Unsynced { get; set; } = [];
    }
}
