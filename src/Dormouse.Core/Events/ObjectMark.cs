using System.Buffers.Binary;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Dormouse.Core.Events;

/// <summary>One write of one object, as a listing shows it.</summary>
/// <param name="Time">When it was written, by the bucket's clock.</param>
public readonly record struct ObjectStamp(string Key, string ETag, DateTimeOffset Time);

/// <summary>
/// Up to where a bucket was read: everything up to a time, and which ones after it. A listing may show an object later than others with a later time (a long upload has the time at which
/// it began, clocks of a store's machines differ), so the time stays behind the newest by an overlap, within which each object is known by itself. Not for several threads.
/// </summary>
public sealed class ObjectMark
{
    /// <summary>Objects known by themselves; beyond it the overlap becomes shorter, to <see cref="OverlapMin"/>.</summary>
    public const int SeenMax = 10_000;

    /// <summary>What is so young may have younger ones of the same time beside it that no listing has shown yet.</summary>
    public static readonly TimeSpan OverlapMin = TimeSpan.FromSeconds(5);

    private const int EntryBytes = 12;

    private readonly Dictionary<ulong, DateTimeOffset> _seen = [];

    /// <summary>Everything up to here is done, this time included.</summary>
    public DateTimeOffset Low { get; private set; } = DateTimeOffset.UnixEpoch;

    public int SeenCount => _seen.Count;

    /// <param name="text">What <see cref="ToString"/> wrote; null or something else = from the beginning.</param>
    public static ObjectMark Parse(string? text)
    {
        var mark = new ObjectMark();
        if (text?.Split(':') is not [var low, var seen] || !long.TryParse(low, NumberStyles.None, CultureInfo.InvariantCulture, out var milliseconds) || milliseconds > 253_402_300_799_999)
        {
            return mark;
        }

        var bytes = new byte[seen.Length];
        if (Convert.TryFromBase64String(seen, bytes, out var length))
        {
            mark.Low = DateTimeOffset.FromUnixTimeMilliseconds(milliseconds);
            for (var at = 0; at + EntryBytes <= length; at += EntryBytes)
            {
                var after = BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(at + sizeof(ulong)));
                mark._seen[BinaryPrimitives.ReadUInt64LittleEndian(bytes.AsSpan(at))] = mark.Low.AddMilliseconds(after);
            }
        }

        return mark;
    }

    public bool IsNew(ObjectStamp stamp) => stamp.Time > Low && !_seen.ContainsKey(Hash(stamp));

    /// <summary>It is queued, or passed over: it is not new any more.</summary>
    public void Done(ObjectStamp stamp)
    {
        if (stamp.Time > Low)
        {
            _seen[Hash(stamp)] = stamp.Time;
        }
    }

    /// <summary>Everything that a listing showed up to <paramref name="high"/> is done: moves the time after it, with the overlap between them.</summary>
    public void Settle(DateTimeOffset high, TimeSpan overlap)
    {
        RaiseTo(high - overlap);
        if (_seen.Count > SeenMax)
        {
            var oldest = _seen.Values.Order().ElementAt(_seen.Count - SeenMax - 1);
            RaiseTo(oldest < high - OverlapMin ? oldest : high - OverlapMin);
        }
    }

    /// <summary>A text to store.</summary>
    public override string ToString()
    {
        var bytes = new byte[_seen.Count * EntryBytes];
        var at = 0;
        foreach (var (hash, time) in _seen.OrderBy(s => s.Key))
        {
            BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan(at), hash);
            BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(at + sizeof(ulong)), (uint)Math.Clamp(Math.Ceiling((time - Low).TotalMilliseconds), 1, uint.MaxValue));
            at += EntryBytes;
        }

        return string.Create(CultureInfo.InvariantCulture, $"{Low.ToUnixTimeMilliseconds()}:{Convert.ToBase64String(bytes)}");
    }

    private void RaiseTo(DateTimeOffset low)
    {
        // Whole milliseconds, so that what is written is what is meant.
        var whole = low > DateTimeOffset.UnixEpoch ? DateTimeOffset.FromUnixTimeMilliseconds(low.ToUnixTimeMilliseconds()) : DateTimeOffset.UnixEpoch;
        if (whole <= Low)
        {
            return;
        }

        Low = whole;
        foreach (var hash in _seen.Where(s => s.Value <= whole).Select(s => s.Key).ToList())
        {
            _seen.Remove(hash);
        }
    }

    private static ulong Hash(ObjectStamp stamp) => BinaryPrimitives.ReadUInt64LittleEndian(
        SHA256.HashData(Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{stamp.ETag}\n{stamp.Time.UtcTicks}\n{stamp.Key}"))));
}
