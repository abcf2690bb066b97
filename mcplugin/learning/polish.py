"""The last orders of magnitude: Levenberg-Marquardt on the residuals of the optimal critic.

The generator has so few parameters that the full Jacobian is cheap, and the error surface is so
ill-conditioned that first-order methods stall ten to a hundred times higher.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.func import functional_call, jacfwd

from mcplugin.learning.generator import Generator

# Steps without this relative gain end the polish.
_GAIN = 1e-6
_PATIENCE = 50


class _Residuals(torch.nn.Module):
    def __init__(self, generator: Generator, residuals: Callable[[Generator], Tensor]) -> None:
        super().__init__()
        self.generator = generator
        self._residuals = residuals

    def forward(self) -> Tensor:
        return self._residuals(self.generator).reshape(-1)


def polish(
    generator: Generator, residuals: Callable[[Generator], Tensor], iterations: int
) -> float:
    """Minimise the sum of squared residuals over the generator's parameters, in place.

    Parameters
    ----------
    generator : Generator
        Its parameters are replaced by better ones.
    residuals : callable
        Gives the residuals of a generator, any shape.
    iterations : int
        Most iterations; fewer if the gain stays below a millionth for fifty of them.

    Returns
    -------
    float
        Sum of squared residuals reached.
    """
    module = _Residuals(generator, residuals)
    parameters = list(generator.parameters())
    names = [f"generator.{name}" for name, _ in generator.named_parameters()]
    sizes = [parameter.numel() for parameter in parameters]

    def evaluate(vector: Tensor) -> Tensor:
        pieces = torch.split(vector, sizes)
        named = {
            name: piece.view(parameter.shape)
            for name, piece, parameter in zip(names, pieces, parameters, strict=True)
        }
        value: Tensor = functional_call(module, named, ())
        return value

    vector = torch.cat([parameter.detach().reshape(-1) for parameter in parameters])
    current = evaluate(vector)
    cost, damping, idle = float(current @ current), 1e-2, 0
    for _ in range(iterations):
        jacobian: Tensor = jacfwd(evaluate)(vector)
        normal, gradient = jacobian.T @ jacobian, jacobian.T @ current
        scale = normal.diagonal() + 1e-9 * normal.diagonal().max()
        before = cost
        for _ in range(12):
            factor, failed = torch.linalg.cholesky_ex(normal + damping * torch.diag(scale))
            if not failed:
                step = torch.cholesky_solve(gradient[:, None], factor)[:, 0]
                candidate = evaluate(vector - step)
                new_cost = float(candidate @ candidate)
                if new_cost < cost:
                    vector, current, cost = vector - step, candidate, new_cost
                    damping = max(damping / 5.0, 1e-13)
                    break
            damping *= 4.0
        else:
            break
        idle = idle + 1 if before - cost < _GAIN * before else 0
        if idle >= _PATIENCE:
            break
    with torch.no_grad():
        for parameter, piece in zip(parameters, torch.split(vector, sizes), strict=True):
            parameter.copy_(piece.view(parameter.shape))
    return cost
