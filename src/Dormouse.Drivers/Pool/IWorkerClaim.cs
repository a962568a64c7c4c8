using Dormouse.Core.Instances;
using Dormouse.Drivers.Launching;

namespace Dormouse.Drivers.Pool;

/// <summary>Who waits for a generic worker. Gets exactly one of the two calls, unless it withdraws.</summary>
internal interface IWorkerClaim
{
    /// <summary>Somebody has killed the worker that it had: two are started for it, since whoever kills may come again before one is ready.</summary>
    bool WasRobbed => false;

    /// <param name="rung"><see cref="Rung.Pool"/> when one stood ready, <see cref="Rung.None"/> when a process had to be started.</param>
    void Granted(Worker worker, Rung rung);

    void Denied(string reason);
}
