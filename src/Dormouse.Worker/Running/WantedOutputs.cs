using Dormouse.Protocol.Inference;
using Dormouse.Protocol.Problems;
using Dormouse.Worker.Engine;
using Microsoft.ML.OnnxRuntime;

namespace Dormouse.Worker.Running;

/// <summary>Which outputs of the engine a request needs, and how they become the protocol's. Only these are computed.</summary>
internal sealed class WantedOutputs
{
    private readonly LoadedModel _model;
    private readonly List<(int Engine, OutputSource Source, string Name, RequestedOutput? Requested, bool Binary)> _wanted = [];
    private readonly List<string> _engineNames = [];

    private WantedOutputs(LoadedModel model) => _model = model;

    /// <summary>Names for the engine, each once.</summary>
    internal IReadOnlyCollection<string> EngineNames => _engineNames;

    internal static WantedOutputs Of(LoadedModel model, InferRequest request)
    {
        var wanted = new WantedOutputs(model);
        if (request.Outputs.Count == 0)
        {
            foreach (var info in model.Interface.Outputs)
            {
                wanted.Add(info.Name, null, request);
            }
        }

        foreach (var requested in request.Outputs)
        {
            wanted.Add(requested.Name, requested, request);
        }

        return wanted;
    }

    /// <summary>Why the outputs of a run of so many rows cannot be given to their owners row by row; null when they can.</summary>
    internal string? WhyNotSplit(EngineOutputs outputs, long rows)
    {
        foreach (var (engine, source, name, _, _) in _wanted)
        {
            if (source.Plan is not OutputPlan.Tensor plan)
            {
                return $"output '{name}' is a sequence of maps.";
            }

            var info = outputs.Values[engine].GetTensorTypeAndShape();
            var shape = info.Shape;
            if (plan.Datatype != Datatype.Bytes && (Int128)info.ElementCount * plan.Datatype.ElementSize() > int.MaxValue)
            {
                return $"output '{name}' of all rows together is too large.";
            }

            if (shape.Length == 0 || shape[0] != rows)
            {
                return $"output '{name}' has the shape [{string.Join(',', shape)}] where its inputs have {rows} rows.";
            }
        }

        return null;
    }

    /// <summary>Makes the answer's tensors; their memory is the engine's.</summary>
    /// <param name="rows">Those that belong to this request; null = all.</param>
    internal List<OutputTensor> Convert(IReadOnlyList<OrtValue> values, RowRange? rows)
    {
        var outputs = new List<OutputTensor>(_wanted.Count);
        var tables = new Dictionary<int, MapTable>();
        foreach (var (engine, source, name, requested, binary) in _wanted)
        {
            var tensor = source.Plan switch
            {
                OutputPlan.Tensor known => TensorOutput.Of(values[engine], known, name, binary, rows),
                OutputPlan.Maps maps => Table(tables, engine, values[engine], maps).Output(name, source.IsKeys, binary),
                _ => throw new InvalidOperationException("Unknown output plan."),
            };
            outputs.Add(requested?.Classification is { } best ? Classification.Of(tensor, best, _model.LabelsOf(tensor.Name), binary) : tensor);
        }

        return outputs;
    }

    private static MapTable Table(Dictionary<int, MapTable> tables, int engine, OrtValue value, OutputPlan.Maps plan)
    {
        if (!tables.TryGetValue(engine, out var table))
        {
            tables[engine] = table = MapTable.Of(value, plan);
        }

        return table;
    }

    private void Add(string name, RequestedOutput? requested, InferRequest request)
    {
        if (!_model.Outputs.TryGetValue(name, out var source))
        {
            throw new InferenceException(ProblemCode.InputInvalid, $"The model has no output '{name}'.");
        }

        var engine = _engineNames.IndexOf(source.Plan.Name);
        if (engine < 0)
        {
            engine = _engineNames.Count;
            _engineNames.Add(source.Plan.Name);
        }

        _wanted.Add((engine, source, name, requested, request.WantsBinary(requested)));
    }
}
