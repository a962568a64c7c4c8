namespace Dormouse.Protocol.Inference;

/// <summary>Reads one JSON value of a tensor from text.</summary>
internal interface IElementScanner<T>
{
    /// <summary>True moves the position behind the value. False leaves it: no such value, or out of range. What must follow a value
    /// (comma, bracket, space) is checked by the caller; so <c>01</c> and <c>1.5</c> for an integer fail there.</summary>
    static abstract bool TryScan(ReadOnlySpan<byte> json, ref int position, out T value);
}
