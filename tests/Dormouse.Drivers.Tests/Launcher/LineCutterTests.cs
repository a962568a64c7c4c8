using System.Text;
using CsCheck;
using Dormouse.Launcher.Workers;
using Microsoft.Extensions.Time.Testing;

namespace Dormouse.Drivers.Tests.Launcher;

public sealed class LineCutterTests
{
    [Fact]
    public void Lines_do_not_depend_on_how_their_bytes_arrive() =>
        Gen.Select(Gen.String[Gen.Char["ab\nä€"], 0, 200], Gen.Int[1, 20]).Sample((text, size) =>
        {
            var cutter = new LineCutter(new FakeTimeProvider());
            var lines = new List<string>();
            foreach (var piece in Encoding.UTF8.GetBytes(text).Chunk(size))
                cutter.Take(piece, lines);
            cutter.End(lines);

            Assert.Equal(text.Length == 0 ? [] : (text.EndsWith('\n') ? text[..^1] : text).Split('\n'), lines);
        });

    [Fact]
    public void A_long_line_is_cut_between_characters()
    {
        var cutter = new LineCutter(new FakeTimeProvider());
        var lines = new List<string>();

        cutter.Take(Encoding.UTF8.GetBytes(new string('€', 2000) + "\nnext\n"), lines);

        Assert.Equal([new string('€', LineCutter.LineBytesMax / 3), "next"], lines);
    }

    [Fact]
    public void Lines_beyond_the_rate_are_dropped_and_counted_when_the_window_is_over()
    {
        var time = new FakeTimeProvider();
        var cutter = new LineCutter(time);
        var lines = new List<string>();

        cutter.Take(Encoding.UTF8.GetBytes(string.Concat(Enumerable.Repeat("x\n", LineCutter.LinesPerWindow + 5))), lines);
        Assert.Equal(LineCutter.LinesPerWindow, lines.Count);
        Assert.True(cutter.OwesNote);
        cutter.Note(lines);
        Assert.Equal(LineCutter.LinesPerWindow, lines.Count);

        time.Advance(LineCutter.Window);
        cutter.Note(lines);
        cutter.Take("again\n"u8, lines);
        Assert.StartsWith("[5 lines dropped", lines[^2], StringComparison.Ordinal);
        Assert.Equal("again", lines[^1]);
        Assert.False(cutter.OwesNote);
    }

    [Fact]
    public void The_end_passes_on_an_unfinished_line_and_what_is_owed()
    {
        var cutter = new LineCutter(new FakeTimeProvider());
        var lines = new List<string>();

        cutter.Take(Encoding.UTF8.GetBytes(string.Concat(Enumerable.Repeat("x\n", LineCutter.LinesPerWindow)) + "last words"), lines);
        cutter.End(lines);

        Assert.StartsWith("[1 lines dropped", lines[^1], StringComparison.Ordinal);
    }
}
