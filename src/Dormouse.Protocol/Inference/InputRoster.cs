using Dormouse.Protocol.Problems;

namespace Dormouse.Protocol.Inference;

/// <summary>The model's side of a request: admits each input once if it fits, and says what is missing. Used once per request.</summary>
internal sealed class InputRoster(ModelInterface model, string modelName)
{
    /// <summary>Dimensions of a tensor at most; also bounds the nesting of JSON data.</summary>
    public const int RankMax = 32;

    private readonly bool[] _given = new bool[model.Inputs.Length];
    private readonly bool[] _asked = new bool[model.Outputs.Length];

    public ModelInterface Model => model;

    public string ModelName => modelName;

    /// <summary>Checks one input against the model: known, first of its name, right datatype, right shape.</summary>
    public InputDraft Admit(string name, Datatype datatype, long[] shape)
    {
        var index = IndexOf(model.Inputs.AsSpan(), name);
        if (index < 0) throw Invalid($"unexpected inference input {Excerpt.Name(name)} for model '{modelName}'; it takes {Listing(model.Inputs.AsSpan())}");
        if (_given[index]) throw Invalid($"input '{name}' is given twice for model '{modelName}'");
        var expected = model.Inputs[index];
        if (expected.Datatype != datatype.Name())
            throw Invalid($"inference input '{name}' data-type is '{datatype.Name()}', but model '{modelName}' expects '{expected.Datatype}'");
        var count = ElementCount(name, shape);
        if (!Fits(expected.Shape.AsSpan(), shape))
            throw Invalid($"unexpected shape for input '{name}' for model '{modelName}'. Expected {Excerpt.Shape(expected.Shape.AsSpan())}, got {Excerpt.Shape(shape)}");
        _given[index] = true;
        return new InputDraft(expected.Name, datatype, shape, count);
    }

    /// <summary>Checks that an output asked for exists and is asked for once.</summary>
    public void AdmitOutput(string name)
    {
        var index = IndexOf(model.Outputs.AsSpan(), name);
        if (index < 0) throw Invalid($"unexpected inference output {Excerpt.Name(name)} for model '{modelName}'; it gives {Listing(model.Outputs.AsSpan())}");
        if (_asked[index]) throw Invalid($"output '{name}' is asked for twice from model '{modelName}'");
        _asked[index] = true;
    }

    /// <summary>Throws, naming the missing ones, unless every input of the model was admitted.</summary>
    public void EnsureComplete()
    {
        var missing = new List<string>();
        for (var i = 0; i < _given.Length; i++)
        {
            if (!_given[i]) missing.Add($"'{model.Inputs[i].Name}'");
        }

        if (missing.Count > 0)
        {
            throw Invalid($"expected {_given.Length} inputs but got {_given.Length - missing.Count} inputs for model '{modelName}'. "
                + $"Missing: {string.Join(", ", missing)}");
        }
    }

    public Datatype ParseDatatype(string inputName, string text)
    {
        if (Datatypes.TryParse(text, out var datatype)) return datatype;
        throw Invalid($"datatype {Excerpt.Name(text)} of input {Excerpt.Name(inputName)} for model '{modelName}' is not known; use one of {Datatypes.Listing}");
    }

    /// <summary>What is wrong with an input's data; 400 on <c>/v2</c>.</summary>
    public static InferenceException Invalid(string message) => new(ProblemCode.InputInvalid, message);

    /// <summary>Elements of a shape. Refuses negative dimensions, and a product of the dimensions other than 0 above 2^63 - 1: the
    /// engine multiplies them in any order, so a zero elsewhere in the shape does not excuse them.</summary>
    private long ElementCount(string name, long[] shape)
    {
        var count = 1L;
        var empty = false;
        foreach (var dimension in shape)
        {
            if (dimension < 0) throw Invalid($"shape {Excerpt.Shape(shape)} of input '{name}' for model '{modelName}' has a negative dimension");
            if (dimension == 0)
            {
                empty = true;
                continue;
            }

            if (count > long.MaxValue / dimension)
                throw Invalid($"shape {Excerpt.Shape(shape)} of input '{name}' for model '{modelName}' has more elements than a tensor can hold");
            count *= dimension;
        }

        return empty ? 0 : count;
    }

    /// <summary>An interface of rank 0 fits every shape: the engine reports scalars and inputs of unknown rank alike, and checks itself.</summary>
    private static bool Fits(ReadOnlySpan<long> expected, ReadOnlySpan<long> shape)
    {
        if (expected.IsEmpty) return true;
        if (expected.Length != shape.Length) return false;
        for (var i = 0; i < shape.Length; i++)
        {
            if (expected[i] >= 0 && expected[i] != shape[i]) return false;
        }

        return true;
    }

    private static int IndexOf(ReadOnlySpan<TensorInfo> tensors, string name)
    {
        for (var i = 0; i < tensors.Length; i++)
        {
            if (tensors[i].Name == name) return i;
        }

        return -1;
    }

    private static string Listing(ReadOnlySpan<TensorInfo> tensors)
    {
        const int listedMax = 16;
        if (tensors.IsEmpty) return "none";
        var names = new List<string>();
        foreach (var tensor in tensors[..Math.Min(listedMax, tensors.Length)]) names.Add($"'{tensor.Name}'");
        if (tensors.Length > listedMax) names.Add("…");
        return string.Join(", ", names);
    }
}
