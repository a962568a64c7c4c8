using System.Collections.Immutable;
using Dormouse.Protocol.Inference;
using Dormouse.Worker.Engine;
using Microsoft.ML.OnnxRuntime;

namespace Dormouse.Worker.Running;

/// <summary>A session and everything that is known of it. One session serves concurrent runs.</summary>
internal sealed class LoadedModel : IDisposable
{
    private LoadedModel(InferenceSession session, int threads, ImmutableArray<string> labels)
    {
        Session = session;
        Threads = threads;
        Labels = labels;
        (Interface, Outputs) = ModelDescription.Of(session);
    }

    internal InferenceSession Session { get; }

    internal ModelInterface Interface { get; }

    internal ImmutableArray<OutputPlan> Outputs { get; }

    /// <summary>Lines of the package's labels file; empty without one.</summary>
    internal ImmutableArray<string> Labels { get; }

    /// <summary>Intra-op threads of one run.</summary>
    internal int Threads { get; }

    /// <summary>Takes the session over; it is disposed too when the model cannot be served.</summary>
    internal static LoadedModel Of(InferenceSession session, int threads, ImmutableArray<string> labels)
    {
        try
        {
            return new LoadedModel(session, threads, labels);
        }
        catch
        {
            session.Dispose();
            throw;
        }
    }

    public void Dispose() => Session.Dispose();
}
