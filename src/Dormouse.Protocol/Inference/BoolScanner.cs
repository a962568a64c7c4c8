namespace Dormouse.Protocol.Inference;

/// <summary><c>true</c> and <c>false</c>; also <c>1</c> and <c>0</c>, which some clients send.</summary>
internal readonly struct BoolScanner : IElementScanner<byte>
{
    public static bool TryScan(ReadOnlySpan<byte> json, ref int position, out byte value)
    {
        var rest = json[position..];
        var length = rest.StartsWith("true"u8) ? 4 : rest.StartsWith("false"u8) ? 5 : !rest.IsEmpty && rest[0] is (byte)'0' or (byte)'1' ? 1 : 0;
        value = length == 4 || (length == 1 && rest[0] == '1') ? (byte)1 : (byte)0;
        position += length;
        return length > 0;
    }
}
