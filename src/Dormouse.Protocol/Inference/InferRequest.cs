using System.Buffers;
using System.Collections.Immutable;

namespace Dormouse.Protocol.Inference;

/// <summary>
/// One inference as the model sees it, whatever form it came in. Owns the rented memory of its inputs: dispose it after the run.
/// </summary>
public sealed class InferRequest : IDisposable
{
    private readonly List<byte[]> _rented = [];

    /// <summary>The caller's identifier, returned in the answer; null when none was given.</summary>
    public string? Id { get; set; }

    /// <summary>Parameters of the whole request, also those that nobody here knows.</summary>
    public IReadOnlyDictionary<string, ParameterValue> Parameters { get; set; } = ImmutableDictionary<string, ParameterValue>.Empty;

    /// <summary>In the order of the request: every input of the model exactly once.</summary>
    public List<InputTensor> Inputs { get; } = [];

    /// <summary>The outputs asked for, in that order; empty = all of the model's in its own order.</summary>
    public List<RequestedOutput> Outputs { get; } = [];

    /// <summary>Outputs go as binary tensors unless an output says otherwise.</summary>
    public bool BinaryOutputDefault { get; set; }

    /// <summary>True when <paramref name="output"/> (null = one that was not listed) is to be answered as a binary tensor.</summary>
    public bool WantsBinary(RequestedOutput? output) => output?.Binary ?? BinaryOutputDefault;

    /// <summary>Memory of exactly that length that lives as long as this request; its contents are not cleared.</summary>
    public Memory<byte> Rent(int length)
    {
        if (length == 0) return Memory<byte>.Empty;
        var array = ArrayPool<byte>.Shared.Rent(length);
        _rented.Add(array);
        return array.AsMemory(0, length);
    }

    /// <summary>Gives the memory back; no input's data may be touched afterwards.</summary>
    public void Dispose()
    {
        foreach (var array in _rented) ArrayPool<byte>.Shared.Return(array);
        _rented.Clear();
        Inputs.Clear();
    }
}
