using System.Collections.Frozen;
using System.Collections.Immutable;
using Dormouse.Protocol.Inference;
using Dormouse.Protocol.Signatures;
using Dormouse.Worker.Engine;
using Dormouse.Worker.Pictures;
using Microsoft.ML.OnnxRuntime;

namespace Dormouse.Worker.Running;

/// <summary>A session and everything that is known of it. One session serves concurrent runs.</summary>
internal sealed class LoadedModel : IDisposable
{
    private readonly FrozenDictionary<string, string> _engineNames;

    /// <summary>Lines of the package's labels file; empty without one.</summary>
    private readonly ImmutableArray<string> _labels;
    private Task _prefetching = Task.CompletedTask;

    private LoadedModel(InferenceSession session, ModelSurroundings around)
    {
        Session = session;
        Threads = around.Threads;
        var (own, plans) = ModelDescription.Of(session, around.DefaultedInputs);
        var names = around.Signature?.Names ?? ImmutableSortedDictionary<string, string>.Empty;
        _engineNames = names.ToFrozenDictionary(StringComparer.Ordinal);
        Interface = SignatureRunner.Rename(own, names);
        _labels = around.LabelsPath is null ? [] : around.Package?.ReadLines(around.LabelsPath) ?? [];
        Outputs = ByName(plans, Interface);
        if (around.Signature is { } signature)
        {
            Signature = SignatureRunner.Bind(signature, Interface, file => around.Package?.ReadLines(file));
            Interface = Interface with { Accepts = Signature.Accepts };
        }
    }

    internal InferenceSession Session { get; }

    /// <summary>Inputs and outputs as callers see them: with the signature's plain names.</summary>
    internal ModelInterface Interface { get; }

    /// <summary>What each of the interface's outputs is made from.</summary>
    internal FrozenDictionary<string, OutputSource> Outputs { get; }

    /// <summary>Set when the model takes a picture or answers labels.</summary>
    internal SignatureRunner? Signature { get; }

    /// <summary>Intra-op threads of one run.</summary>
    internal int Threads { get; }

    /// <summary>
    /// Takes the session over; it is disposed too when the model cannot be served (<see cref="ModelRefusedException"/> or <see cref="SignatureException"/>).
    /// </summary>
    internal static LoadedModel Of(InferenceSession session, ModelSurroundings around)
    {
        try
        {
            return new LoadedModel(session, around);
        }
        catch
        {
            session.Dispose();
            throw;
        }
    }

    /// <summary>Labels of an output's classes: those that the signature gives it, else those of the package's labels file; empty without either.</summary>
    internal ImmutableArray<string> LabelsOf(string output) => Signature?.LabelsOf(output) is { IsEmpty: false } own ? own : _labels;

    /// <summary>The engine's own name of an input.</summary>
    internal string EngineInput(string name) => _engineNames.GetValueOrDefault(name, name);

    /// <summary>Touches the mapped weights behind the first request's back; the session stays until that is over.</summary>
    /// <param name="descriptor">The optimised file that the session was loaded from.</param>
    internal void PrefetchFrom(int descriptor) => _prefetching = Task.Run(() => Prefetch.PopulateMappings(descriptor));

    public void Dispose()
    {
        // Not its outcome: what was not touched ahead is touched by the run.
        Task.WhenAny(_prefetching).Wait();
        Session.Dispose();
    }

    // The interface lists the outputs in the plans' order; a sequence of maps has two entries.
    private static FrozenDictionary<string, OutputSource> ByName(ImmutableArray<OutputPlan> plans, ModelInterface seen)
    {
        var outputs = new Dictionary<string, OutputSource>(StringComparer.Ordinal);
        var next = 0;
        foreach (var plan in plans)
        {
            outputs[seen.Outputs[next++].Name] = new OutputSource(plan, IsKeys: false);
            if (plan is OutputPlan.Maps)
            {
                outputs[seen.Outputs[next++].Name] = new OutputSource(plan, IsKeys: true);
            }
        }

        return outputs.ToFrozenDictionary(StringComparer.Ordinal);
    }
}

/// <summary>What belongs to a model beside its session.</summary>
internal sealed record ModelSurroundings
{
    /// <summary>Intra-op threads of one run.</summary>
    internal required int Threads { get; init; }

    internal Signature? Signature { get; init; }

    /// <summary>Where labels files lie; null for the built-in model.</summary>
    internal PackageFolder? Package { get; init; }

    internal string? LabelsPath { get; init; }

    /// <summary>Inputs of the session that are not to be asked for.</summary>
    internal FrozenSet<string> DefaultedInputs { get; init; } = FrozenSet<string>.Empty;
}

/// <param name="IsKeys">The column keys of a sequence of maps, not its values.</param>
internal readonly record struct OutputSource(OutputPlan Plan, bool IsKeys);
