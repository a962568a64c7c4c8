using System.ComponentModel.DataAnnotations;
using Microsoft.Extensions.Options;

namespace Dormouse.Server.Dispatch;

/// <summary>Settings of the machine's budget.</summary>
internal sealed class DispatchOptions
{
    public const string Section = "Dispatch";

    /// <summary>Memory that all instances together may claim, MiB. Default 0: 90 % of what is available at the start. Allowed 0 to 16,777,216.</summary>
    [Range(0, 16_777_216)]
    public int MemoryBudgetMib { get; set; }

    /// <summary>Instances that may start at the same time. Default 0: one per core. Allowed 0 to 1,000.</summary>
    [Range(0, 1000)]
    public int StartsAtOnceMax { get; set; }
}

[OptionsValidator]
internal sealed partial class DispatchOptionsValidator : IValidateOptions<DispatchOptions>;
