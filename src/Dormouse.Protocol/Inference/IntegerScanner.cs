using System.Numerics;
using System.Runtime.CompilerServices;

namespace Dormouse.Protocol.Inference;

/// <summary>
/// Whole numbers of every width, with the range of <typeparamref name="T"/>. A fraction or an exponent is refused even where the value
/// is whole (<c>1.0</c>, <c>1e3</c>), as Triton does. <c>-0</c> is 0.
/// </summary>
internal readonly struct IntegerScanner<T> : IElementScanner<T>
    where T : unmanaged, IBinaryInteger<T>, IMinMaxValue<T>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool TryScan(ReadOnlySpan<byte> json, ref int position, out T value)
    {
        value = default;
        var next = position;
        var limit = ulong.CreateTruncating(T.MaxValue);
        var negative = (uint)next < (uint)json.Length && json[next] == '-';
        if (negative)
        {
            next++;
            limit = T.MinValue < T.Zero ? limit + 1 : 0;
        }

        if ((uint)next >= (uint)json.Length) return false;
        var digit = (uint)json[next] - '0';
        if (digit > 9) return false;
        next++;
        ulong magnitude = digit;

        // After a leading zero nothing is read: another digit is then an error of the caller's separator.
        if (digit != 0)
        {
            while ((uint)next < (uint)json.Length && (digit = (uint)json[next] - '0') <= 9)
            {
                if (magnitude >= ulong.MaxValue / 10 && (magnitude > ulong.MaxValue / 10 || digit > 5)) return false;
                magnitude = (magnitude * 10) + digit;
                next++;
            }
        }

        if (magnitude > limit) return false;
        value = T.CreateTruncating(negative ? 0 - magnitude : magnitude);
        position = next;
        return true;
    }
}
