using System.Text.Json;
using CsCheck;
using Dormouse.Protocol.Launching;

namespace Dormouse.Drivers.Tests.Launcher;

public sealed class LauncherFramesTests
{
    [Fact]
    public void Frames_come_out_as_they_went_in_however_the_stream_is_cut() =>
        Gen.Select(Gen.String.Array[1, 5], Gen.Int[1, 64]).Sample((lines, size) =>
        {
            var stream = lines.SelectMany((line, i) => LauncherFrames.Pack(new WorkerWrote(i, line), LauncherJson.Default.LauncherEvent)).ToArray();
            var received = new List<byte>();
            var read = new List<LauncherEvent?>();
            foreach (var piece in stream.Chunk(size))
            {
                received.AddRange(piece);
                while (LauncherFrames.TryTake(received.ToArray(), out var body))
                {
                    read.Add(JsonSerializer.Deserialize(body.Span, LauncherJson.Default.LauncherEvent));
                    received.RemoveRange(0, LauncherFrames.HeaderBytes + body.Length);
                }
            }

            Assert.Empty(received);
            // Half a surrogate pair does not survive JSON; everything else does.
            Assert.Equal(lines.Select((_, i) => (long)i), read.Cast<WorkerWrote>().Select(wrote => wrote.Worker));
            Assert.All(lines.Zip(read.Cast<WorkerWrote>()), pair => Assert.Equal(Whole(pair.First), pair.Second.Line));
        });

    [Theory]
    [InlineData(-1)]
    [InlineData(LauncherFrames.BodyBytesMax + 1)]
    public void A_length_out_of_range_is_no_frame(int length) =>
        Assert.Throws<InvalidDataException>(() => LauncherFrames.TryTake(BitConverter.GetBytes(length), out _));

    private static string Whole(string text) => System.Text.Encoding.UTF8.GetString(System.Text.Encoding.UTF8.GetBytes(text));
}
