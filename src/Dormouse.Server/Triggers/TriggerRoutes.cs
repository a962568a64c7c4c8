using System.Collections.Immutable;
using Dormouse.Protocol.Control;
using Dormouse.Server.Control;

namespace Dormouse.Server.Triggers;

/// <summary>The part of the control plane's table of contents that is about triggers.</summary>
internal static class TriggerRoutes
{
    public static ImmutableArray<ControlRoute> All(TriggersApi api) =>
    [
        ControlRoutes.Get("/triggers", "listTriggers", "What feeds queues", typeof(TriggerList), api.ListAsync) with
        {
            Query = [new QueryParameter("endpoint", "string", "Only those of this endpoint.")],
        },
        ControlRoutes.Get("/triggers/{name}", "getTrigger", "One trigger, how far it has come and what its last error was", typeof(TriggerInfo), api.GetAsync),
        ControlRoutes.Send("PUT", "/triggers/{name}", "setTrigger", "Make it, or change it to what is asked for; 201 when it is new", typeof(TriggerRequest), typeof(TriggerInfo), api.PutAsync),
        ControlRoutes.Send("POST", "/triggers/{name}/pause", "pauseTrigger", "Pull nothing more", null, typeof(TriggerInfo), api.PauseAsync),
        ControlRoutes.Send("POST", "/triggers/{name}/resume", "resumeTrigger", "Pull again", null, typeof(TriggerInfo), api.ResumeAsync),
        ControlRoutes.Send("POST", "/triggers/{name}/run", "runTrigger", "Fire it once now", null, typeof(EventsAnswer), api.RunAsync) with { Status = 202 },
        ControlRoutes.Send("DELETE", "/triggers/{name}", "deleteTrigger", "Delete it; what it queued stays", null, null, api.DeleteAsync) with { Status = 204 },
    ];
}
