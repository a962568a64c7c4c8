using Dormouse.Core;
using Dormouse.Core.Batches;
using Dormouse.Server.Batches.Inputs;
using Dormouse.Server.Gateway;
using Dormouse.Server.Hosting.Settings;
using Dormouse.Server.Queues;
using Dormouse.Server.Telemetry;
using Microsoft.Extensions.Logging;

namespace Dormouse.Server.Batches;

/// <summary>What every job needs.</summary>
internal sealed record BatchParts(
    IBatchStore Store, BatchInputs Inputs, QueueSignals Signals, InvocationParts Invocations, IIdSource Ids, TimeProvider Time, QueuesSettings Queues, BatchesSettings Settings, ResultsFolder Results,
    QueueMetrics QueueMetrics, BatchMetrics Metrics, ILogger<BatchRunner> Logger);
