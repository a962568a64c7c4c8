namespace Dormouse.Server.Batches.Inputs;

/// <summary>
/// A folder of the server, not those in it: each file is one item, in order of name. The mark is the last name; of the names behind it only some are held at a time, so a folder of any
/// size takes the same room.
/// </summary>
internal sealed class FolderReader(string folder, string? mark, long readBytes, int bytesMax) : IItemReader
{
    /// <summary>Names that one look takes.</summary>
    private const int NamesMax = 1_000;

    private readonly Queue<string> _names = new();
    private string? _last = mark;
    private long _readBytes = readBytes;
    private bool _isAtEnd;

    public async ValueTask<InputPiece?> NextAsync(CancellationToken cancellationToken)
    {
        if (_names.Count == 0 && !_isAtEnd)
        {
            Look();
        }

        if (!_names.TryDequeue(out var name))
        {
            return null;
        }

        _last = name;
        var file = new FileInfo(Path.Combine(folder, name));
        if (!file.Exists || file.LinkTarget is not null || FileItem.IsHidden(name))
        {
            return new InputPiece.Nothing(name, name, _readBytes);
        }

        await using var content = file.OpenRead();
        _readBytes += content.Length;
        return await FileItem.ReadAsync(name, content, content.Length, bytesMax, name, _readBytes, cancellationToken);
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    /// <summary>The first names behind the last one.</summary>
    private void Look()
    {
        var first = new PriorityQueue<string, string>(Comparer<string>.Create((one, other) => string.CompareOrdinal(other, one)));
        foreach (var path in Directory.EnumerateFiles(folder))
        {
            var name = Path.GetFileName(path);
            if (_last is null || string.CompareOrdinal(name, _last) > 0)
            {
                first.Enqueue(name, name);
                if (first.Count > NamesMax)
                {
                    first.Dequeue();
                }
            }
        }

        _isAtEnd = first.Count < NamesMax;
        var names = new string[first.Count];
        for (var i = names.Length - 1; i >= 0; i--)
        {
            names[i] = first.Dequeue();
        }

        foreach (var name in names)
        {
            _names.Enqueue(name);
        }
    }
}
