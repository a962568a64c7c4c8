using Dormouse.Drivers.Prefetch;

namespace Dormouse.Drivers.Tests.Prefetch;

public sealed class FileOpensTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("dmt-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Files_are_told_once_in_the_order_in_which_they_were_first_opened()
    {
        var (one, two, three) = (Write("one"), Write("deep/er/two"), Write("deep/three"));
        Write("never");
        var elsewhere = Directory.CreateDirectory(_folder + "-elsewhere");
        try
        {
            File.WriteAllText(Path.Combine(elsewhere.FullName, "linked"), "x");
            Directory.CreateSymbolicLink(Path.Combine(_folder, "link"), elsewhere.FullName);
            using var opens = FileOpens.Listen([_folder, Path.Combine(_folder, "missing")]);

            foreach (var path in (string[])[three, one, three, two, Path.Combine(_folder, "link", "linked"), one])
            {
                File.ReadAllText(path);
            }

            Directory.GetFiles(Path.Combine(_folder, "deep"));
            Assert.Equal([three, one, two], opens.Read(out var isWhole));
            Assert.True(isWhole);
            Assert.Empty(opens.Read(out _));
        }
        finally
        {
            elsewhere.Delete(recursive: true);
        }
    }

    [Fact]
    public void What_is_no_file_is_not_opened_and_a_pipe_is_not_waited_for()
    {
        var file = Write("file");
        File.CreateSymbolicLink(Path.Combine(_folder, "link"), file);
        using var mkfifo = System.Diagnostics.Process.Start("mkfifo", Path.Combine(_folder, "pipe"));
        mkfifo.WaitForExit();

        Assert.Null(CachedFile.TryOpen(Path.Combine(_folder, "missing")));
        Assert.Null(CachedFile.TryOpen(Path.Combine(_folder, "link")));
        Assert.Null(CachedFile.TryOpen(Path.Combine(_folder, "pipe")));
        using var opened = CachedFile.TryOpen(file);
        Assert.NotNull(opened);
    }

    [Theory]
    [InlineData(0, 0, 0)]
    [InlineData(1, 1, 1)]
    [InlineData(CachedFile.ChunkBytes, 1, CachedFile.ChunkBytes)]
    [InlineData(CachedFile.ChunkBytes + 7, 2, 7)]
    public void A_file_is_cut_into_chunks_of_which_the_last_may_be_short(int bytes, int chunks, int last)
    {
        var path = Path.Combine(_folder, "file");
        File.WriteAllBytes(path, new byte[bytes]);

        using var file = CachedFile.TryOpen(path);

        Assert.Equal((bytes, chunks), (file!.Length, file.ChunkCount));
        Assert.Equal(last, file.BytesOf(Math.Max(0, chunks - 1)));
        Assert.All(Enumerable.Range(0, chunks), chunk => Assert.Equal(0, file.MissingBytes(chunk)));
    }

    private string Write(string name)
    {
        var path = Path.Combine(_folder, name);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path, name);
        return path;
    }
}
