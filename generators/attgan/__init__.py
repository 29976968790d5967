"""AttGAN: editing of attributes by an encoder, a decoder and a critic (He et al. 2019)."""

from .generator import AttGAN

__all__ = ["AttGAN"]
