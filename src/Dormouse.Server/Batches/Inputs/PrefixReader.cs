using System.Globalization;
using Dormouse.Core.Batches;
using Dormouse.Protocol.Problems;

namespace Dormouse.Server.Batches.Inputs;

/// <summary>
/// All objects of a prefix: each is one item, in order of key. The mark is the last key; of the keys behind it only some are held at a time. An object that comes while the job runs is an
/// item when its key lies behind the mark.
/// </summary>
internal sealed class PrefixReader(IBucketObjects objects, BucketPlace place, string? mark, long readBytes, int bytesMax) : IItemReader
{
    /// <summary>Keys that one look takes.</summary>
    private const int KeysMax = 1_000;

    private readonly Queue<BucketObject> _found = new();

    /// <summary>What an item is called is its key behind the last slash of the prefix.</summary>
    private readonly int _nameAt = place.Key.LastIndexOf('/') + 1;

    private string? _last = mark;
    private long _readBytes = readBytes;
    private bool _isAtEnd;

    public async ValueTask<InputPiece?> NextAsync(CancellationToken cancellationToken)
    {
        if (_found.Count == 0 && !_isAtEnd)
        {
            var page = await objects.ListAsync(place.Bucket, place.Key, _last, KeysMax, cancellationToken);
            _isAtEnd = page.IsEmpty;
            foreach (var one in page)
            {
                _found.Enqueue(one);
            }
        }

        if (!_found.TryDequeue(out var next))
        {
            return null;
        }

        _last = next.Key;
        var name = next.Key[_nameAt..];
        if (IsNone(next, name))
        {
            return new InputPiece.Nothing(next.Key, next.Key, _readBytes);
        }

        _readBytes += next.Bytes;
        if (next.Bytes == 0 || next.Bytes > bytesMax)
        {
            return await FileItem.ReadAsync(name, null, next.Bytes, bytesMax, next.Key, _readBytes, cancellationToken);
        }

        await using var content = new BucketStream(objects, place.Bucket, next);
        try
        {
            return await FileItem.ReadAsync(name, content, next.Bytes, bytesMax, next.Key, _readBytes, cancellationToken);
        }
        catch (InputUnreadableException)
        {
            // Each object is an item of its own: one that is gone costs no other.
            return new InputPiece.Broken(
                name, new ItemFault(ProblemCode.InputInvalid.Code, string.Create(CultureInfo.InvariantCulture, $"The object was changed or removed after it was listed with {next.Bytes} bytes.")), next.Key, _readBytes);
        }
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    /// <summary>What programs write to make a bucket look as if it had folders is no item.</summary>
    private static bool IsNone(BucketObject found, string name) => (found.Bytes == 0 && found.Key.EndsWith('/')) || name.Length == 0 || FileItem.IsHidden(name);
}
