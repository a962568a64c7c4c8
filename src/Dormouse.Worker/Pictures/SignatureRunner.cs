using System.Collections.Immutable;
using Dormouse.Protocol.Inference;
using Dormouse.Protocol.Problems;
using Dormouse.Protocol.Signatures;

namespace Dormouse.Worker.Pictures;

/// <summary>
/// A signature bound to the model it describes: turns the body of an invocation into an inference request and the model's output into labels.
/// Everything that can be wrong with the pair is found once, when the model loads.
/// </summary>
internal sealed class SignatureRunner
{
    private readonly PictureTensor? _picture;
    private readonly TensorInfo? _scores;
    private readonly ImmutableArray<string> _labels;
    private readonly LabelsOutput? _output;

    private SignatureRunner(PictureTensor? picture, TensorInfo? scores, LabelsOutput? output, ImmutableArray<string> labels)
    {
        _picture = picture;
        _scores = scores;
        _output = output;
        _labels = labels;
    }

    /// <summary>Media types that the body of an invocation may have; empty when the model takes tensors only.</summary>
    public ImmutableArray<string> Accepts => _picture is null ? [] : ["image/jpeg", "image/png", "image/bmp", "image/webp"];

    /// <summary>The answer is a list of labels; else the caller writes the outputs as tensors.</summary>
    public bool AnswersLabels => _output is not null;

    /// <summary>Shows a model's interface with the signature's plain names in place of its own.</summary>
    /// <exception cref="SignatureException">A name means no tensor, or a plain name is another tensor's own.</exception>
    public static ModelInterface Rename(ModelInterface model, ImmutableSortedDictionary<string, string> names)
    {
        if (names.IsEmpty)
        {
            return model;
        }

        var own = model.Inputs.Concat(model.Outputs).Select(t => t.Name).ToHashSet(StringComparer.Ordinal);
        foreach (var (plain, name) in names)
        {
            if (!own.Contains(name))
            {
                throw new SignatureException($"names: the model has no tensor '{name}' (for '{plain}'). It has {string.Join(", ", own.Order(StringComparer.Ordinal))}.");
            }

            if (own.Contains(plain) && !names.ContainsValue(plain))
            {
                throw new SignatureException($"names: '{plain}' is the name of another tensor of the model.");
            }
        }

        var plainNames = names.ToDictionary(pair => pair.Value, pair => pair.Key, StringComparer.Ordinal);
        return model with
        {
            Inputs = [.. model.Inputs.Select(t => t with { Name = plainNames.GetValueOrDefault(t.Name, t.Name) })],
            Outputs = [.. model.Outputs.Select(t => t with { Name = plainNames.GetValueOrDefault(t.Name, t.Name) })],
        };
    }

    /// <param name="model">The interface as callers see it (after <see cref="Rename"/>).</param>
    /// <param name="labelsOfFile">Reads the labels file named by the signature; null when the package has none.</param>
    /// <exception cref="SignatureException">The signature does not fit the model; the message says why.</exception>
    public static SignatureRunner Bind(Signature signature, ModelInterface model, Func<string, ImmutableArray<string>?> labelsOfFile)
    {
        PictureTensor? picture = null;
        if (signature.Picture is { } input)
        {
            picture = PictureTensor.Bind(input, model);
        }

        if (signature.Labels is not { } labels)
        {
            return new SignatureRunner(picture, null, null, []);
        }

        var scores = labels.Output is null
            ? model.Outputs.FirstOrDefault()
            : model.Outputs.FirstOrDefault(t => t.Name == labels.Output);
        if (scores is null)
        {
            throw new SignatureException($"labels.output: the model has no output '{labels.Output}'. It has {string.Join(", ", model.Outputs.Select(t => t.Name))}.");
        }

        if (!LabelRanking.Takes(scores.Datatype))
        {
            throw new SignatureException($"labels.output: '{scores.Name}' holds {scores.Datatype}; labels need numbers.");
        }

        var names = labels.Names.IsEmpty ? labelsOfFile(labels.File) ?? [] : labels.Names;
        return new SignatureRunner(picture, scores, labels, names);
    }

    /// <summary>The request that the picture in <paramref name="body"/> means.</summary>
    /// <param name="memory">The instance's, for its pictures.</param>
    /// <exception cref="InferenceException">The model takes no picture, or this one cannot be used.</exception>
    public InferRequest ToRequest(ReadOnlySpan<byte> body, PictureMemory memory)
    {
        if (_picture is null)
        {
            throw new InferenceException(ProblemCode.MediaTypeUnsupported, "This model's signature has no picture input; send tensors to its inference address.");
        }

        var request = new InferRequest();
        try
        {
            request.Inputs.Add(_picture.Read(body, memory, request));
            if (_scores is not null)
            {
                request.Outputs.Add(new RequestedOutput(_scores.Name, null, null));
            }

            return request;
        }
        catch (PictureException e)
        {
            request.Dispose();
            throw new InferenceException(ProblemCode.PictureInvalid, e.Message, e);
        }
    }

    /// <summary>Labels of an output's classes; empty for an output of which the signature says nothing.</summary>
    public ImmutableArray<string> LabelsOf(string output) => output == _scores?.Name ? _labels : [];

    /// <summary>The labels of the model's answer, best first. Only when <see cref="AnswersLabels"/>.</summary>
    public LabelsAnswer ToLabels(OutputTensor scores)
    {
        if (_output is null)
        {
            throw new InvalidOperationException("This signature answers no labels.");
        }

        return new LabelsAnswer(LabelRanking.Rank(scores, _output, _labels));
    }
}
