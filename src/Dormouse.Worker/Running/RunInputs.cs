using System.Buffers;
using Dormouse.Protocol.Inference;
using Dormouse.Worker.Engine;
using Microsoft.ML.OnnxRuntime;

namespace Dormouse.Worker.Running;

/// <summary>The engine's view of a request's inputs: numbers stay where the reader put them, pinned for the run; texts are copied in.</summary>
internal sealed unsafe class RunInputs : IDisposable
{
    // An empty tensor still needs an address.
    private static readonly void* Nothing = System.Runtime.InteropServices.NativeMemory.AlignedAlloc(64, 64);

    private readonly MemoryHandle[] _pins;
    private int _count;

    internal RunInputs(InferRequest request, LoadedModel model)
    {
        Names = new string[request.Inputs.Count];
        Values = new OrtValue[request.Inputs.Count];
        _pins = new MemoryHandle[request.Inputs.Count];
        try
        {
            foreach (var input in request.Inputs)
            {
                Names[_count] = model.EngineInput(input.Name);
                Values[_count] = input.Datatype == Datatype.Bytes ? Texts(input) : Numbers(input);
                _count++;
            }
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    internal string[] Names { get; }

    internal OrtValue[] Values { get; }

    public void Dispose()
    {
        for (var i = 0; i < _count; i++)
        {
            Values[i].Dispose();
        }

        foreach (var pin in _pins)
        {
            pin.Dispose();
        }

        _count = 0;
    }

    private OrtValue Numbers(InputTensor input)
    {
        _pins[_count] = input.Data.Pin();
        var address = input.Data.IsEmpty ? Nothing : _pins[_count].Pointer;
        return OrtValue.CreateTensorValueWithData(
            OrtMemoryInfo.DefaultInstance, ModelDescription.ElementTypeOf(input.Datatype), input.Shape, (nint)address, input.Data.Length);
    }

    private static OrtValue Texts(InputTensor input)
    {
        var value = OrtValue.CreateTensorWithEmptyStrings(OrtAllocator.DefaultInstance, input.Shape);
        var texts = input.Strings ?? TensorBytes.Empty;
        for (var i = 0; i < texts.Count; i++)
        {
            value.StringTensorSetElementAt(texts[i], i);
        }

        return value;
    }
}
