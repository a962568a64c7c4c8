using Dormouse.Core.Endpoints;
using Dormouse.Core.Overflow;
using Dormouse.Protocol.Control;

namespace Dormouse.Server.Control;

/// <summary>Settings between the API's document and the rules of Core, both ways. The only place that knows both lists.</summary>
public static class SettingsViews
{
    /// <summary>What a revision has, every default applied.</summary>
    /// <param name="isPublic">Belongs to the endpoint; null = not known.</param>
    public static RevisionSettings Settings(RevisionSpec spec, bool? isPublic)
    {
        var wishes = SpecRules.Describe(spec);
        return new RevisionSettings
        {
            Runtime = wishes.Runtime,
            Handler = wishes.Handler,
            Python = wishes.Python,
            Pip = wishes.Pip,
            Requirements = wishes.Requirements,
            SystemPackages = wishes.SystemPackages,
            Isolation = wishes.Isolation,
            Network = wishes.Network,
            Memory = wishes.Memory,
            Cpu = wishes.Cpu,
            ReserveCpu = wishes.ReserveCpu,
            Concurrency = wishes.IsConcurrencyAuto ? ConcurrencySetting.Auto : wishes.IsConcurrencyUnlimited ? ConcurrencySetting.Unlimited : wishes.Concurrency is { } number ? (ConcurrencySetting?)number : null,
            BatchMax = wishes.BatchMax,
            BatchDelay = wishes.BatchDelay,
            MinInstances = wishes.MinInstances,
            Provisioned = wishes.Provisioned,
            SpareInstances = wishes.SpareInstances,
            TargetUtilization = wishes.TargetUtilization,
            ScaleDownDelay = wishes.ScaleDownDelay,
            TargetConcurrency = wishes.TargetConcurrency,
            TargetRps = wishes.TargetRps,
            StableWindow = wishes.StableWindow,
            PanicWindow = wishes.PanicWindow,
            PanicThreshold = wishes.PanicThreshold,
            MaxScaleUpRate = wishes.MaxScaleUpRate,
            MaxScaleDownRate = wishes.MaxScaleDownRate,
            InitialInstances = wishes.InitialInstances,
            ActivationInstances = wishes.ActivationInstances,
            ScaleToZeroGrace = wishes.ScaleToZeroGrace,
            Floors = wishes.Floors,
            MaxInstances = wishes.MaxInstances,
            IdleTimeout = wishes.IdleTimeout,
            FrozenFor = wishes.FrozenFor,
            KeepAlive = wishes.KeepAlive,
            Timeout = wishes.Timeout,
            StartTimeout = wishes.StartTimeout,
            QueueTimeout = wishes.QueueTimeout,
            QueueLimit = wishes.QueueLimit,
            QueueLimitBytes = wishes.QueueLimitBytes,
            AsyncConcurrency = wishes.AsyncConcurrency,
            AsyncRate = wishes.AsyncRate,
            Environment = wishes.Environment,
            Secrets = wishes.Secrets,
            SecretFiles = wishes.SecretFiles,
            Engine = wishes.Engine,
            Overflow = wishes.Overflow is { } overflow ? new OverflowSettings(overflow.Url, overflow.Max, overflow.KeyFile, overflow.KeyEnv) : null,
            Public = isPublic,
            Signature = wishes.Signature,
        };
    }

    /// <summary>What the user asked for, as the rules take it.</summary>
    /// <param name="signatureJson">The settings' own signature in canonical form, or the package's; null = none.</param>
    public static RevisionWishes Wishes(RevisionSettings settings, string? signatureJson) => new()
    {
        Runtime = settings.Runtime,
        Handler = settings.Handler,
        Python = settings.Python,
        Pip = settings.Pip,
        Requirements = settings.Requirements,
        SystemPackages = settings.SystemPackages,
        Isolation = settings.Isolation,
        Network = settings.Network,
        Memory = settings.Memory,
        Cpu = settings.Cpu,
        ReserveCpu = settings.ReserveCpu,
        Concurrency = settings.Concurrency is { IsUnlimited: true } ? null : settings.Concurrency?.Number,
        IsConcurrencyUnlimited = settings.Concurrency is { IsUnlimited: true },
        TargetConcurrency = settings.TargetConcurrency,
        IsConcurrencyAuto = settings.Concurrency is { IsAuto: true },
        BatchMax = settings.BatchMax,
        BatchDelay = settings.BatchDelay,
        MinInstances = settings.MinInstances,
        Provisioned = settings.Provisioned,
        SpareInstances = settings.SpareInstances,
        TargetUtilization = settings.TargetUtilization,
        ScaleDownDelay = settings.ScaleDownDelay,
        TargetRps = settings.TargetRps,
        StableWindow = settings.StableWindow,
        PanicWindow = settings.PanicWindow,
        PanicThreshold = settings.PanicThreshold,
        MaxScaleUpRate = settings.MaxScaleUpRate,
        MaxScaleDownRate = settings.MaxScaleDownRate,
        InitialInstances = settings.InitialInstances,
        ActivationInstances = settings.ActivationInstances,
        ScaleToZeroGrace = settings.ScaleToZeroGrace,
        Floors = settings.Floors,
        MaxInstances = settings.MaxInstances,
        IdleTimeout = settings.IdleTimeout,
        FrozenFor = settings.FrozenFor,
        KeepAlive = settings.KeepAlive,
        Timeout = settings.Timeout,
        StartTimeout = settings.StartTimeout,
        QueueTimeout = settings.QueueTimeout,
        QueueLimit = settings.QueueLimit,
        QueueLimitBytes = settings.QueueLimitBytes,
        AsyncConcurrency = settings.AsyncConcurrency,
        AsyncRate = settings.AsyncRate,
        Environment = settings.Environment,
        Secrets = settings.Secrets,
        SecretFiles = settings.SecretFiles,
        Engine = settings.Engine,
        Overflow = settings.Overflow is { } overflow ? new OverflowWishes(overflow.Url, overflow.Max, overflow.KeyFile, overflow.KeyEnv) : null,
        Signature = signatureJson,
    };
}
