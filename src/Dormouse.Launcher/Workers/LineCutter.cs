using System.Globalization;
using System.Text;

namespace Dormouse.Launcher.Workers;

/// <summary>
/// Cuts what a program writes into lines. A long line is cut, and lines beyond a rate are dropped and counted, so that a chatty program costs
/// its own time and nobody else's.
/// </summary>
internal sealed class LineCutter(TimeProvider time)
{
    public const int LineBytesMax = 4096;

    /// <summary>Lines passed on in one window.</summary>
    public const int LinesPerWindow = 200;

    public static readonly TimeSpan Window = TimeSpan.FromSeconds(1);

    private readonly byte[] _line = new byte[LineBytesMax];
    private int _length;
    private bool _open;
    private long _windowStart = time.GetTimestamp();
    private int _passed;
    private long _dropped;

    /// <summary>Lines were dropped of which nothing was said yet: call <see cref="Note"/> after <see cref="Window"/>.</summary>
    public bool OwesNote => _dropped > 0;

    public void Take(ReadOnlySpan<byte> bytes, List<string> lines)
    {
        while (!bytes.IsEmpty)
        {
            var end = bytes.IndexOf((byte)'\n');
            var part = end < 0 ? bytes : bytes[..end];
            var room = Math.Min(part.Length, LineBytesMax - _length);
            part[..room].CopyTo(_line.AsSpan(_length));
            _length += room;
            _open = true;
            if (end < 0)
                return;
            Finish(lines);
            bytes = bytes[(end + 1)..];
        }
    }

    /// <summary>The program has ended: passes on an unfinished last line and what is still owed.</summary>
    public void End(List<string> lines)
    {
        if (_open)
            Finish(lines);
        if (_dropped > 0)
            lines.Add(DroppedText());
        _dropped = 0;
    }

    /// <summary>Says how many lines were dropped, once their window is over.</summary>
    public void Note(List<string> lines)
    {
        if (time.GetElapsedTime(_windowStart) < Window)
            return;
        if (_dropped > 0)
            lines.Add(DroppedText());
        _windowStart = time.GetTimestamp();
        _passed = 0;
        _dropped = 0;
    }

    private void Finish(List<string> lines)
    {
        Note(lines);
        if (_passed < LinesPerWindow)
        {
            _passed++;
            lines.Add(Encoding.UTF8.GetString(_line.AsSpan(0, WholeLength())).TrimEnd('\r'));
        }
        else
        {
            _dropped++;
        }

        _length = 0;
        _open = false;
    }

    /// <summary>Length without a character that the cut went through.</summary>
    private int WholeLength()
    {
        if (_length < LineBytesMax)
            return _length;
        var start = _length - 1;
        while (start > _length - 4 && (_line[start] & 0xC0) == 0x80)
            start--;
        return Rune.DecodeFromUtf8(_line.AsSpan(start, _length - start), out _, out _) == System.Buffers.OperationStatus.NeedMoreData ? start : _length;
    }

    private string DroppedText() =>
        string.Create(CultureInfo.InvariantCulture, $"[{_dropped} lines dropped: more than {LinesPerWindow} in a second]");
}
