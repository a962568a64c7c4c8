namespace Dormouse.Protocol.Inference;

/// <summary>Value of a protocol parameter: text, a flag or a number, nothing else.</summary>
public abstract record ParameterValue
{
    private ParameterValue()
    {
    }

    public sealed record Text(string Value) : ParameterValue;

    public sealed record Flag(bool Value) : ParameterValue;

    public sealed record Integer(long Value) : ParameterValue;

    /// <summary>A whole number above <see cref="long.MaxValue"/>.</summary>
    public sealed record Unsigned(ulong Value) : ParameterValue;

    public sealed record Number(double Value) : ParameterValue;
}
