using Dormouse.Protocol.Inference;
using Dormouse.Worker.Engine;
using Dormouse.Worker.Running;

namespace Dormouse.Worker.Inspection;

/// <summary>
/// May invocations of a model share a run? Its shapes must have a variable first dimension throughout, and a run of two made-up rows must answer what two runs of
/// one row answer: shapes cannot tell of a model that looks from one row at another.
/// </summary>
internal static class BatchTrial
{
    /// <summary>Elements of a made-up input; beyond it the guess for its variable dimensions is taken to be wrong.</summary>
    private const long ElementsMax = 1 << 22;

    /// <summary>Tried for variable dimensions but the first, in this order.</summary>
    private static readonly int[] Lengths = [8, 16, 1, 2, 3, 4, 32, 64, 224];

    /// <summary>The reason in plain words; null when they may.</summary>
    internal static string? WhyNot(LoadedModel model) => WhyNotByShape(model) ?? WhyNotByRun(model);

    private static string? WhyNotByShape(LoadedModel model)
    {
        if (model.Interface.Inputs.IsEmpty)
        {
            return "the model takes no input.";
        }

        foreach (var input in model.Interface.Inputs)
        {
            if (input.Shape.IsEmpty)
            {
                return $"input '{input.Name}' is a scalar or of unknown rank: there is no first dimension to join along.";
            }

            if (input.Shape[0] >= 0)
            {
                return $"input '{input.Name}' {Words(input)} has a fixed first dimension. Export the model with a variable one.";
            }
        }

        foreach (var output in model.Interface.Outputs)
        {
            if (model.Outputs[output.Name].Plan is OutputPlan.Maps)
            {
                return $"output '{output.Name}' is a sequence of maps. Export the model with tensors (for scikit-learn: zipmap=False).";
            }

            if (!output.Shape.IsEmpty && output.Shape[0] >= 0)
            {
                return $"output '{output.Name}' {Words(output)} has a fixed first dimension, which cannot be the inputs' rows.";
            }
        }

        return null;
    }

    private static string? WhyNotByRun(LoadedModel model)
    {
        var reason = "every made-up input has too many elements";
        foreach (var length in Lengths)
        {
            using var rows = TrialRows.TryMake(model.Interface, length, ElementsMax);
            if (rows is null)
            {
                continue;
            }

            try
            {
                var (one, other) = (Run(model, rows.One), Run(model, rows.Other));
                return Judge(model, rows, one, other);
            }
            catch (InferenceException e)
            {
                reason = e.Message.TrimEnd('.');
            }
        }

        return IsTiedByName(model)
            ? null
            : $"its shapes do not say that an output's rows belong to the inputs', and no made-up input could be run to find out ({reason}).";
    }

    private static string? Judge(LoadedModel model, TrialRows rows, List<OutputTensor> one, List<OutputTensor> other)
    {
        List<OutputTensor> both;
        try
        {
            both = Run(model, rows.Both);
        }
        catch (InferenceException e)
        {
            return "it runs on one row, but not on two at once: " + e.Message;
        }

        for (var i = 0; i < both.Count; i++)
        {
            if (RowComparison.Difference(one[i], other[i], both[i]) is { } difference)
            {
                return difference;
            }
        }

        return null;
    }

    /// <summary>Outputs with memory of their own.</summary>
    private static List<OutputTensor> Run(LoadedModel model, InferRequest request)
    {
        var wanted = WantedOutputs.Of(model, request);
        using var run = new ModelRun(EngineOutputs.Run(model, request, wanted, CancellationToken.None), wanted, default);
        return [.. run.Outputs().Select(o => new OutputTensor { Name = o.Name, Datatype = o.Datatype, Shape = o.Shape, Data = o.Data.ToArray(), Strings = o.Strings })];
    }

    /// <summary>Every first dimension has one and the same name.</summary>
    private static bool IsTiedByName(LoadedModel model)
    {
        var names = model.Session.InputMetadata.Values.Concat(model.Session.OutputMetadata.Values).Select(m => m.SymbolicDimensions.FirstOrDefault("")).Distinct().ToList();
        return names is [{ Length: > 0 }];
    }

    private static string Words(TensorInfo tensor) => $"{tensor.Datatype}[{string.Join(',', tensor.Shape)}]";
}
